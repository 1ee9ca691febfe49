import type { RepositoryTransaction } from './repository-client.js'

/** The time by the database server's clock, the one clock that all clients share. */
export async function readServerClock(tx: RepositoryTransaction<never>): Promise<Date> {
  const [row] = await tx.$queryRaw<[{ now: Date }]>`SELECT clock_timestamp() AS now`
  return row.now
}
