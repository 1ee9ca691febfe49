import type { Pool } from 'pg'
import type postgres from 'postgres'
import { afterEach } from 'vitest'

import { describeLeftovers } from './leftovers.js'
import { waitUntil } from './wait-until.js'

export { findLeftovers, type Leftover } from './leftovers.js'

// A client that has its answer may still be on the way back to its pool, and a session that was
// killed still on its way out.
const GRACE = 2_000

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

function describeBusy(pools: readonly Pool[]): string[] {
  return pools.flatMap((pool, index) => {
    const out = pool.totalCount - pool.idleCount
    if (out === 0 && pool.waitingCount === 0) return []
    return [`pool ${index + 1}: ${out} clients out, ${pool.waitingCount} callers waiting`]
  })
}
