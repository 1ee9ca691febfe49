import { MAX_INT } from './input-checks.js'
import { columns, NOW, type StatementTemplate, WITHIN_LOCK_TIMEOUT } from './one-statement.js'

/**
 * `$1` the user, `$2` the order's id, `$3` the amount. Returns the order.
 *
 * The last number is read from other rows than the one waited for, and is what it was before the wait. An
 * order placed meanwhile has the next number already: the unique key then lets no second one in, and nothing
 * is returned. So it is with an order of the same id.
 */
export const PLACE_ORDER: StatementTemplate = {
  subject: 'the order',
  model: 'User',
  writes: ['Order'],
  render(table) {
    const [user, order] = [table('User'), table('Order')]
    return `WITH "user" AS MATERIALIZED (
        SELECT "u".${user.id} AS "id" FROM ${user.$table} AS "u" WHERE "u".${user.id} = $1 AND ${WITHIN_LOCK_TIMEOUT} FOR NO KEY UPDATE
      ), "last" AS (
        SELECT coalesce(max("o".${order.number}), 0) AS "number" FROM ${order.$table} AS "o" WHERE "o".${order.userId} = $1
      ) INSERT INTO ${order.$table} AS "o" (${order.id}, ${order.userId}, ${order.number}, ${order.amount}, ${order.createdAt})
      SELECT $2, "user"."id", "last"."number" + 1, $3::numeric, ${NOW} FROM "user", "last" WHERE "last"."number" < ${MAX_INT}
      ON CONFLICT DO NOTHING RETURNING ${columns(order, 'o', ['id', 'userId', 'number', 'amount', 'createdAt'])}`
  },
}
