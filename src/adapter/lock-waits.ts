import type postgres from 'postgres'
import type { LockBlocker } from '../core/errors.js'
import { blocker, type SideConnection } from './side-connection.js'

/** A statement that may wait for a lock. */
export interface AskedStatement {
  readonly id: number
  readonly pid: number
  readonly sql: string
}

export interface FoundWait {
  /** Milliseconds so far, by the server's clock. */
  readonly waited: number
  readonly blockers: readonly LockBlocker[]
}

/** One for each session that another one waits for, directly or not. */
interface Row extends Omit<LockBlocker, 'pid'> {
  readonly id: number
  readonly waited: number
  /** Null when no session holds the lock, as of a prepared transaction. */
  readonly pid: number | null
  readonly waits: boolean
}

/** Which of the statements wait for a lock right now, and for whom. None when the server does not say in time. */
export async function findWaits(side: SideConnection, statements: readonly AskedStatement[]): Promise<Map<number, FoundWait>> {
  const found = new Map<number, FoundWait>()
  if (statements.length === 0) return found
  const rows = (await side.ask((sql) => sql<Row[]>`${waitsOf(sql, statements)}`)) ?? []
  for (const id of new Set(rows.map((row) => row.id))) {
    const own = rows.filter((row) => row.id === id)
    found.set(id, { waited: own[0]!.waited, blockers: holders(own) })
  }
  return found
}

/** Behind a waiter for the same row queues whoever comes next: who holds it is at the end. In a deadlock all of them wait. */
function holders(rows: readonly Row[]): LockBlocker[] {
  const known = rows.filter((row): row is Row & LockBlocker => row.pid !== null)
  const holding = known.filter(({ waits }) => !waits)
  return (holding.length > 0 ? holding : known).map(({ id: _id, waited: _waited, waits: _waits, ...holder }) => holder)
}

/**
 * By the backend and by the statement that it runs: the number that a driver knows may be a pooler's, or the backend be
 * at another statement by now. PostgreSQL shows the beginning of a long one.
 */
const waitsOf = (sql: postgres.Sql, statements: readonly AskedStatement[]) => sql`
  WITH RECURSIVE asked AS (
    SELECT * FROM unnest(
      ${statements.map(({ id }) => id)}::int[], ${statements.map(({ pid }) => pid)}::int[], ${statements.map((one) => one.sql)}::text[]
    ) AS asked(id, pid, sql)
  ), waiting AS (
    SELECT asked.id, asked.pid FROM asked JOIN pg_stat_activity AS activity USING (pid)
    WHERE activity.wait_event_type = 'Lock' AND activity.query <> '' AND starts_with(asked.sql, activity.query)
  ), blocking(id, pid) AS (
    SELECT id, unnest(pg_blocking_pids(pid)) FROM waiting UNION SELECT id, unnest(pg_blocking_pids(pid)) FROM blocking
  )
  SELECT waiting.id, coalesce(waits.waited, 0)::float8 AS waited, ${blocker(sql)},
    coalesce(activity.wait_event_type = 'Lock', false) AS waits
  FROM waiting
  LEFT JOIN blocking ON blocking.id = waiting.id
  LEFT JOIN pg_stat_activity AS activity ON activity.pid = blocking.pid,
  LATERAL (
    SELECT extract(epoch FROM clock_timestamp() - min(waitstart)) * 1000 AS waited
    FROM pg_locks WHERE pg_locks.pid = waiting.pid AND NOT granted
  ) AS waits`
