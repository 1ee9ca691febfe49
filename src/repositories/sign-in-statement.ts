import { MAX_INT } from './input-checks.js'
import { columns, NOW, type StatementTemplate, WITHIN_LOCK_TIMEOUT } from './one-statement.js'

/**
 * `$1` the user, `$2` the day, `$3` when it begins and `$4` when the next one does, `$5` the reward, `$6` the
 * time, or null for now. Returns the sign-in, and what is in the quota.
 *
 * The row is locked first, so that the times of one user's sign-ins are in the order of their rows; a time
 * that is not of the day, and a sign-in that is there already, change nothing.
 */
export const SIGN_IN: StatementTemplate = {
  subject: 'the sign-in',
  model: 'ReadingQuota',
  writes: ['SignIn', 'ReadingQuota', 'ReadingQuotaChange'],
  render(table) {
    const [signIn, quota, change] = [table('SignIn'), table('ReadingQuota'), table('ReadingQuotaChange')]
    return `WITH "locked" AS MATERIALIZED (
        SELECT "q".${quota.userId} AS "userId" FROM ${quota.$table} AS "q"
        WHERE "q".${quota.userId} = $1 AND "q".${quota.remaining} <= ${MAX_INT} - $5::int AND ${WITHIN_LOCK_TIMEOUT} FOR NO KEY UPDATE
      ), "clock" AS MATERIALIZED (
        SELECT "userId", coalesce($6::timestamptz, ${NOW}) AS "now" FROM "locked"
      ), "signIn" AS (
        INSERT INTO ${signIn.$table} AS "s" (${signIn.userId}, ${signIn.day}, ${signIn.signedInAt})
        SELECT "userId", $2::date, "now" FROM "clock" WHERE "now" >= $3::timestamptz AND "now" < $4::timestamptz
        ON CONFLICT DO NOTHING RETURNING ${columns(signIn, 's', ['id', 'userId', 'day', 'signedInAt'])}
      ), "quota" AS (
        UPDATE ${quota.$table} AS "q" SET ${quota.remaining} = "q".${quota.remaining} + $5::int
        FROM "signIn" WHERE "q".${quota.userId} = "signIn"."userId" RETURNING "q".${quota.userId} AS "userId", "q".${quota.remaining} AS "remaining"
      ), "change" AS (
        INSERT INTO ${change.$table} (${change.userId}, ${change.delta}, ${change.remaining}, ${change.reason}, ${change.createdAt})
        SELECT "userId", $5::int, "remaining", 'sign-in', ${NOW} FROM "quota"
      ) SELECT "signIn".*, "quota"."remaining" FROM "signIn", "quota"`
  },
}
