import type postgres from 'postgres'

/** In milliseconds. PostgreSQL knows no shorter wait for a lock. */
const LIMITS = `SET LOCAL lock_timeout = 1; SET LOCAL statement_timeout = 5000; SET LOCAL transaction_read_only = on`

/**
 * Runs a read that waits for no lock, in one round trip: the statements of one message are one transaction, whose limits end with
 * it, also when it fails.
 */
export async function readWithoutWaiting<Row extends object>(sql: postgres.Sql, query: string): Promise<readonly Row[]> {
  const results: unknown = await sql.unsafe(`${LIMITS}; ${query}`)
  return (results as readonly Row[][]).at(-1)!
}
