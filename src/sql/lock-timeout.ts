/**
 * A wait limit for one statement, in that statement: no further round trip, and the transaction's own
 * `lock_timeout` stands again when the statement is done. When the statement fails, PostgreSQL itself
 * puts the old value back with the (sub)transaction it aborts, as `set_config(…, true)` is
 * transactional.
 */

// A parameter of our own keeps the transaction's limit meanwhile.
const SAVE = `set_config('rowlock.lock_timeout', current_setting('lock_timeout'), true)`
const RESTORE = `set_config('lock_timeout', current_setting('rowlock.lock_timeout'), true)`

const set = (timeout: number) => `set_config('lock_timeout', '${timeout}ms', true)`

/**
 * An OFFSET expression that sets the limit on its way. PostgreSQL evaluates OFFSET once, when the
 * Limit node starts and before it asks for the first row, so before any lock is waited for. The
 * nested CASE fixes the order of the two calls.
 */
export function offsetWithLockTimeout(placeholder: number, timeout: number): string {
  return `CASE WHEN ${SAVE} IS NOT NULL THEN CASE WHEN ${set(timeout)} IS NOT NULL THEN $${placeholder}::bigint END END`
}

/**
 * Wraps a locking SELECT so that the old limit comes back once all its rows are locked: the aggregate
 * needs every row of the materialized CTE before it can be computed.
 */
export function restoringLockTimeout(select: string): string {
  return (
    `WITH "rowlock" AS MATERIALIZED (${select}) SELECT "rowlock".* FROM "rowlock" CROSS JOIN ` +
    `(SELECT ${RESTORE} FROM (SELECT count(*) FROM "rowlock") AS "locked" OFFSET 0) AS "restored"`
  )
}

/** Calls a function that waits for a lock, `call`, under the limit. A target list runs left to right. */
export function selectWithLockTimeout(call: string, timeout: number): string {
  return `SELECT ${SAVE}, ${set(timeout)}, ${call}, ${RESTORE}`
}
