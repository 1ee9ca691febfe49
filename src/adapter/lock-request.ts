import type { RowLock } from '../core/lock-option.js'
import type { LockBlocker } from '../core/errors.js'

/**
 * A lock on its way from the extension, which knows what the caller asked for, to the adapter, which
 * sees the SQL. It travels as the query's `skip`: Prisma renders that as the OFFSET of the root SELECT
 * and of nothing else, so a request finds its own statement under batching and `Promise.all`, where
 * an async context would not (Prisma dispatches all queries of a tick from the first one's context).
 */
export interface LockRequest {
  readonly lock: RowLock
  /** The caller's own `skip`, put back into the statement. */
  readonly skip: number
  /** Set by the adapter when the locking clause is in the statement it sends. */
  applied: boolean
  /** Why the adapter refused to send the statement. */
  refusal?: Error
  /** Who held the lock when the statement gave up waiting for it. */
  blockers?: readonly LockBlocker[]
}

// Prisma passes `skip` on verbatim from 0 to 2^32 - 1; the upper half carries the markers.
const FIRST_MARKER = 2 ** 31
const MARKERS = 2 ** 31

interface Registry {
  readonly requests: Map<number, LockRequest>
  next: number
}

// One registry a process: the extension and the adapter may come from two copies of this package.
const REGISTRY = Symbol.for('rowlock.lockRequests')
const shared = globalThis as { [REGISTRY]?: Registry }
const registry: Registry = (shared[REGISTRY] ??= { requests: new Map(), next: 0 })

/** Whether `skip` is in the range that rowlock keeps for its markers. */
export const isMarker = (skip: number): boolean => skip >= FIRST_MARKER

/** Registers a request and returns the `skip` that stands for it. */
export function openLockRequest(lock: RowLock, skip: number): { readonly marker: number; readonly request: LockRequest } {
  const marker = freeMarker()
  const request: LockRequest = { lock, skip, applied: false }
  registry.requests.set(marker, request)
  return { marker, request }
}

/** Forgets a request when its query is done. */
export function closeLockRequest(marker: number): void {
  registry.requests.delete(marker)
}

/** The request that a statement's last argument stands for, if it is a marker of a query under way. */
export function findLockRequest(lastArgument: unknown): LockRequest | undefined {
  if (registry.requests.size === 0) return undefined
  const skip = Number(lastArgument)
  return isMarker(skip) ? registry.requests.get(skip) : undefined
}

function freeMarker(): number {
  let marker: number
  do {
    marker = FIRST_MARKER + (registry.next++ % MARKERS)
  } while (registry.requests.has(marker))
  return marker
}
