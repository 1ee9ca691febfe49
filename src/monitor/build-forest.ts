import type { LockSession } from './lock-tree-types.js'

/** A session, and whom it waits for. */
export interface Blocked {
  readonly session: Omit<LockSession, 'waiters'>
  readonly blockers: readonly number[]
}

/**
 * Puts each session below those whom it waits for. The sessions of a circle hang below the one of them whose transaction is
 * the oldest, which stands again where it is waited for. What hangs below a session is there once: what waits for several
 * sessions would otherwise be written down as often as there are ways to it, which doubles with each that stands in a queue.
 */
export function buildForest(all: readonly Blocked[]): LockSession[] {
  const known = new Set(all.map(({ session }) => session.pid))
  const nodes = new Map(
    all.map(({ session, blockers }) => [session.pid, { session, blockers: blockers.filter((pid) => known.has(pid)) }] as const),
  )
  const waiters = waitersOf([...nodes.values()])
  // Whoever waits for somebody who has gone, and is waited for by nobody, was granted its lock in between.
  const free = [...nodes.values()].filter(({ session: { pid }, blockers }) => blockers.length === 0 && waiters.has(pid))
  const placed = new Set<number>()

  const place = ({ session }: Blocked): LockSession => {
    if (placed.has(session.pid)) return { ...session, waiters: [] }
    placed.add(session.pid)
    return { ...session, waiters: (waiters.get(session.pid) ?? []).map(place) }
  }

  const roots = free.sort(byTransactionAge).map(place)
  for (;;) {
    const left = [...nodes.values()].filter(({ session, blockers }) => blockers.length > 0 && !placed.has(session.pid))
    if (left.length === 0) return roots
    roots.push(place(firstCircle(left, nodes).sort(byTransactionAge)[0]!))
  }
}

function waitersOf(nodes: readonly Blocked[]): ReadonlyMap<number, readonly Blocked[]> {
  const waiters = new Map<number, Blocked[]>()
  for (const node of nodes.toSorted(byWait)) {
    for (const pid of node.blockers) waiters.set(pid, [...(waiters.get(pid) ?? []), node])
  }
  return waiters
}

/** A circle that waits for nobody outside of it: nothing that is left reaches fewer sessions, and all of them reach each other. */
function firstCircle(left: readonly Blocked[], nodes: ReadonlyMap<number, Blocked>): Blocked[] {
  const reached = left.map(({ session }) => reachedFrom(session.pid, nodes))
  const least = reached.reduce((one, other) => (other.size < one.size ? other : one))
  return [...least].map((pid) => nodes.get(pid)!)
}

/** All whom a session waits for, directly or by way of others. */
function reachedFrom(pid: number, nodes: ReadonlyMap<number, Blocked>): ReadonlySet<number> {
  const reached = new Set<number>()
  const open = [pid]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const blocker of nodes.get(next)!.blockers) {
      if (reached.has(blocker)) continue
      reached.add(blocker)
      open.push(blocker)
    }
  }
  return reached
}

/** The oldest first; one of unknown age is taken for the youngest. */
const byTransactionAge = ({ session: one }: Blocked, { session: other }: Blocked): number =>
  (other.transactionAge ?? -1) - (one.transactionAge ?? -1) || one.pid - other.pid

/** Who has waited longest first. */
const byWait = ({ session: one }: Blocked, { session: other }: Blocked): number =>
  (other.wait?.duration ?? 0) - (one.wait?.duration ?? 0) || one.pid - other.pid
