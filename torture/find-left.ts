import type { Pool } from 'pg'
import type postgres from 'postgres'
import { describeLeftovers } from '../test/support/leftovers.js'
import { waitUntil } from '../test/support/wait-until.js'

/** What may still be there, and how long the rest may take to go. */
export interface LeftOptions {
  /** Sessions of the database besides the probe's that belong there, such as those of pools. @default 0 */
  readonly sessions?: number
  /** Pools of this process whose connections must all be back. @default [] */
  readonly pools?: readonly Pool[]
  /**
   * How long everything may take to go, in milliseconds: longer than the ttl of the leases whose owners died.
   * @default 5000
   */
  readonly grace?: number
}

export interface Left {
  readonly left: number
  /** Each one in words. */
  readonly notes: readonly string[]
}

/**
 * Counts what a run has left behind in the probe's database once it has had a moment to go: open transactions, row
 * and advisory locks, leases in force though nobody is there to hold one, sessions beyond the pool's, and
 * connections that have not come back to their pool.
 *
 * @param sql A client of one connection, from outside of the run.
 */
export async function findLeft(sql: postgres.Sql, { sessions = 0, pools = [], grace = 5_000 }: LeftOptions = {}): Promise<Left> {
  let found: string[] = []
  const look = async () => {
    found = [
      ...(await describeLeftovers(sql)),
      ...(await describeLeases(sql)),
      ...(await describeSessions(sql, sessions)),
      ...pools.flatMap(describePool),
    ]
    if (found.length === 0) return true
    await sql`SELECT pg_sleep(0.01)`
    return undefined
  }
  // What is left when the time is up is the answer, and no error.
  await waitUntil('nothing is left', look, { timeout: grace }).catch((error: unknown) => {
    if (found.length === 0) throw error
  })
  return { left: found.length, notes: found.map((one) => `left: ${one}`) }
}

/** A lease whose owner died is free when its time has come, and by then somebody else's or nobody's. */
async function describeLeases(sql: postgres.Sql): Promise<string[]> {
  const leases = await sql<{ key: string; owners: string[] }[]>`
    SELECT "key", "owners" FROM "Lease" WHERE "expiresAt" > clock_timestamp() AND cardinality("owners") > 0 ORDER BY "key"`
  return leases.map(({ key, owners }) => `a lease of ${key}, held by ${owners.join(', ')}`)
}

async function describeSessions(sql: postgres.Sql, allowed: number): Promise<string[]> {
  const sessions = await sql<{ pid: number; application: string; query: string }[]>`
    SELECT pid, application_name AS application, query FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' ORDER BY backend_start`
  return sessions
    .slice(allowed)
    .map(({ pid, application, query }) => `session ${pid} (${application}) over the ${allowed} of the pool, last statement: ${query}`)
}

function describePool(pool: Pool): string[] {
  const out = pool.totalCount - pool.idleCount
  return out === 0 && pool.waitingCount === 0 ? [] : [`a pool with ${out} connections out and ${pool.waitingCount} callers waiting`]
}
