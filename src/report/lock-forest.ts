import type { LockSession, LockTree } from '../monitor/lock-tree-types.js'

/** A session at its one place in the forest. */
export interface PlacedSession extends Omit<LockSession, 'waiters'> {
  /** The pids of everyone it waits for, also of those it does not stand below. */
  readonly waitsFor: readonly number[]
  readonly waiters: readonly PlacedSession[]
}

/** A lock tree in which every session stands once, with its totals. */
export interface LockForest {
  readonly roots: readonly PlacedSession[]
  /** How many sessions wait. */
  readonly waiters: number
  /** Of the waits that go on, in milliseconds; 0 when nobody waits. */
  readonly longestWait: number
  /** How many sessions were left out, those farthest from a root. */
  readonly leftOut: number
}

/**
 * Places every session once, as near to a root as it is. In a queue for one row each waiter waits for all before
 * it: the tree with each of them below all it waits for has twice as many entries with every further waiter.
 *
 * @param limit - how many sessions are placed at most. Default: all.
 */
export function toForest({ roots }: Pick<LockTree, 'roots'>, limit = Number.POSITIVE_INFINITY): LockForest {
  const places = new Map<number, Place>(roots.map((session) => [session.pid, { session, waitsFor: new Set(), waiters: [] }]))
  const visited = new Set<LockSession>(roots)
  // The set grows while it is walked, level by level.
  for (const session of visited) {
    for (const waiter of session.waiters) {
      visited.add(waiter)
      place(places, waiter, session.pid)
    }
  }
  const kept = new Map([...places].slice(0, limit))
  const waits = [...places.values()].flatMap(({ session }) => session.wait ?? [])
  return {
    roots: roots.filter(({ pid }) => kept.has(pid)).map(({ pid }) => build(kept, kept.get(pid)!)),
    waiters: waits.length,
    longestWait: Math.max(0, ...waits.map(({ duration }) => duration)),
    leftOut: places.size - kept.size,
  }
}

interface Place {
  readonly session: LockSession
  readonly waitsFor: Set<number>
  /** Those who stand below it. */
  readonly waiters: number[]
}

function place(places: Map<number, Place>, session: LockSession, waitsFor: number): void {
  const found = places.get(session.pid)
  if (found) {
    found.waitsFor.add(waitsFor)
    return
  }
  places.set(session.pid, { session, waitsFor: new Set([waitsFor]), waiters: [] })
  places.get(waitsFor)!.waiters.push(session.pid)
}

function build(places: ReadonlyMap<number, Place>, { session, waitsFor, waiters }: Place): PlacedSession {
  const below = waiters.flatMap((pid) => places.get(pid) ?? [])
  return { ...session, waitsFor: [...waitsFor], waiters: below.map((place) => build(places, place)) }
}

/** How many sessions stand below one. */
export const countBelow = ({ waiters }: PlacedSession): number => waiters.reduce((sum, waiter) => sum + 1 + countBelow(waiter), 0)
