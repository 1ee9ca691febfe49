import type postgres from 'postgres'

/** What was left behind, in words. */
export interface Leftover {
  readonly pid: number
  readonly what: string
  readonly query: string
}

/**
 * Everything that finished work must not leave in the probe's database: open transactions and
 * advisory locks of other sessions. A row lock stands on the row itself and not in pg_locks, but it
 * always comes with a transaction id, which does.
 */
export async function findLeftovers(sql: postgres.Sql): Promise<Leftover[]> {
  return sql<Leftover[]>`
    WITH session AS (
      SELECT pid, query, state, xact_start FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
    )
    SELECT pid, 'an open transaction (' || coalesce(state, 'state unknown') || ')' AS what, query FROM session WHERE xact_start IS NOT NULL
    UNION ALL
    SELECT pid, CASE locktype WHEN 'transactionid' THEN 'row locks or unsaved changes' ELSE 'an advisory lock' END, query
    FROM pg_locks JOIN session USING (pid)
    WHERE granted AND locktype IN ('transactionid', 'advisory') AND mode IN ('ExclusiveLock', 'ShareLock')
    ORDER BY pid, what`
}

/** The leftovers, each as a sentence. */
export async function describeLeftovers(sql: postgres.Sql): Promise<string[]> {
  const leftovers = await findLeftovers(sql)
  return leftovers.map(({ pid, what, query }) => `session ${pid}: ${what}, last statement: ${query}`)
}
