/**
 * Where the clients under test find the database, for the run of a suite behind a pooler such as PgBouncer:
 * `ROWLOCK_TEST_POOLER=127.0.0.1:6432`. Probes and fixtures go to the server itself.
 */
const pooler = process.env['ROWLOCK_TEST_POOLER']

/** The URL for clients under test: by way of the pooler, if there is one. */
export function throughPooler(databaseUrl: string): string {
  if (!pooler) return databaseUrl
  const url = new URL(databaseUrl)
  url.host = pooler
  return url.href
}

/** Whether the clients under test share their connections to the server with others. */
export const isPooled = Boolean(pooler)

/** What `lockable` is told: behind a pooler that does not carry prepared statements, not to use any. */
export const POOLED = pooler ? { preparedStatements: false } : {}
