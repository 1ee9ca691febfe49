import type postgres from 'postgres'

/** Who waits for whom, by backend. */
export type WaitsFor = ReadonlyMap<number, readonly number[]>

/** Asks PostgreSQL which of the backends wait for which others, from a connection of its own. */
export async function readWaits(sql: postgres.Sql, pids: readonly number[]): Promise<WaitsFor> {
  if (pids.length === 0) return new Map()
  const rows = await sql<{ pid: number; blockers: number[] }[]>`
    SELECT pid, pg_blocking_pids(pid) AS blockers FROM unnest(${pids as number[]}::int[]) AS pid`
  return new Map(rows.filter(({ blockers }) => blockers.length > 0).map(({ pid, blockers }) => [pid, blockers]))
}

/** A cycle of nodes that wait for each other, smallest first, or undefined. */
export function findCycle(waits: ReadonlyMap<number, readonly number[]>): number[] | undefined {
  for (const start of [...waits.keys()].sort((a, b) => a - b)) {
    const path = findPath(start, start, waits, new Set())
    if (path) return path
  }
  return undefined
}

function findPath(from: number, to: number, waits: ReadonlyMap<number, readonly number[]>, seen: Set<number>): number[] | undefined {
  for (const next of waits.get(from) ?? []) {
    if (next === to) return [from]
    if (seen.has(next)) continue
    seen.add(next)
    const rest = findPath(next, to, waits, seen)
    if (rest) return [from, ...rest]
  }
  return undefined
}
