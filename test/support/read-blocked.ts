import type postgres from 'postgres'
import type { LockSession, LockTree } from '../../src/monitor/lock-tree-types.js'

interface Row {
  readonly pid: number
  readonly blockedBy: readonly number[]
  readonly applicationName: string
  readonly user: string
  readonly state: string
  readonly query: string
  readonly transactionAge: number
  readonly wait: number
}

/** A lock tree by one short statement, for tests of what shows one: it knows nothing of rows, models and labels. */
export async function readBlocked(sql: postgres.Sql): Promise<LockTree> {
  const rows = await sql<Row[]>`
    SELECT pid, pg_blocking_pids(pid) AS "blockedBy", application_name AS "applicationName", usename AS "user", state, query,
      extract(epoch FROM clock_timestamp() - xact_start)::float8 * 1000 AS "transactionAge",
      extract(epoch FROM clock_timestamp() - query_start)::float8 * 1000 AS "wait"
    FROM pg_stat_activity
    WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
    ORDER BY query_start`
  const toSession = ({ blockedBy, wait, ...row }: Row): LockSession => ({
    ...row,
    ...(blockedBy.length > 0 && { wait: { target: { kind: 'transaction' }, duration: wait } }),
    waiters: rows.filter((other) => other.blockedBy.includes(row.pid)).map(toSession),
  })
  const roots = rows.filter((row) => row.blockedBy.length === 0).map(toSession)
  return { readAt: new Date(), roots: roots.filter(({ waiters }) => waiters.length > 0), deadlocks: [] }
}
