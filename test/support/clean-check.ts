import type { Pool } from 'pg'
import type postgres from 'postgres'
import { afterEach } from 'vitest'

import { waitUntil } from './wait-until.js'

/** What a test left behind, in words. */
export interface Leftover {
  readonly pid: number
  readonly what: string
  readonly query: string
}

// A client that has its answer may still be on the way back to its pool, and a session that was
// killed still on its way out.
const GRACE = 2_000

/**
 * Everything that a finished test must not leave in the probe's database: open transactions and
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

/** What to look at, and for how long. */
export interface CleanOptions {
  /** Pools whose clients must all be back. */
  readonly pools?: readonly Pool[]
  /** Leftovers that were reported before; new ones are added. */
  readonly known?: Set<string>
  /** How long to wait for everything to come back, in milliseconds. @default 2000 */
  readonly grace?: number
}

/**
 * Fails when sessions other than the probe's have a transaction or a lock open, or when a pool has
 * clients out, once those have had a moment to come back.
 */
export async function expectClean(sql: postgres.Sql, options: CleanOptions = {}): Promise<void> {
  const { pools = [], known = new Set(), grace = GRACE } = options
  let found: string[] = []
  const look = async () => {
    found = [...(await describeLeftovers(sql)), ...describeBusy(pools)].filter((one) => !known.has(one))
    if (found.length === 0) return true
    await sql`SELECT pg_sleep(0.005)`
    return undefined
  }
  try {
    await waitUntil('everything is released', look, { timeout: grace })
  } catch (cause) {
    for (const one of found) known.add(one)
    throw new Error(`The test left behind: ${found.join('; ')}`, { cause })
  }
}

/** Runs {@link expectClean} after every test of the file, blaming each leftover on one test only. */
export function useCleanCheck(sql: () => postgres.Sql, pools: () => readonly Pool[] = () => []): void {
  const known = new Set<string>()
  afterEach(() => expectClean(sql(), { pools: pools(), known }))
}

async function describeLeftovers(sql: postgres.Sql): Promise<string[]> {
  const leftovers = await findLeftovers(sql)
  return leftovers.map(({ pid, what, query }) => `session ${pid}: ${what}, last statement: ${query}`)
}

function describeBusy(pools: readonly Pool[]): string[] {
  return pools.flatMap((pool, index) => {
    const out = pool.totalCount - pool.idleCount
    if (out === 0 && pool.waitingCount === 0) return []
    return [`pool ${index + 1}: ${out} clients out, ${pool.waitingCount} callers waiting`]
  })
}
