// Not translated: PostgreSQL quotes it in a message that is.
const NO_ROW = 'rowlock: rows written:'

/**
 * Makes a write with RETURNING fail when it has written no row, and otherwise return the same rows.
 *
 * The join is an outer one so that its left side, where the failure is, is read also when nothing was written. The cast
 * depends on the count, as PostgreSQL computes what depends on nothing when it plans.
 */
export function requiringRow(write: string): string {
  const found = `CASE count(*) WHEN 0 THEN CAST('${NO_ROW} ' || count(*) AS integer) ELSE 1 END`
  return (
    `WITH "rowlock_written" AS (${write}) SELECT "rowlock_written".* ` +
    `FROM (SELECT ${found} AS "found" FROM "rowlock_written") AS "rowlock_found" ` +
    `LEFT JOIN "rowlock_written" ON "rowlock_found"."found" = 1`
  )
}

/** Whether a message of PostgreSQL is that of a statement of {@link requiringRow} that has written no row. */
export const saysNoRow = (message: unknown): boolean => typeof message === 'string' && message.includes(NO_ROW)
