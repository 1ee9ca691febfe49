import type { RowLock } from '../core/lock-option.js'
import type { LockBlocker } from '../core/errors.js'
import type { RowUpdate } from '../sql/update-statement.js'
import type { SqlQuery } from './driver-adapter.js'
import type { LockObserver } from './lock-observer.js'

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
  /** What to do to the locked rows; the lock then lasts as long as it must also outside a transaction. */
  readonly update?: RowUpdate | undefined
  /** Told what becomes of the lock, where somebody listens. */
  readonly observer?: LockObserver | undefined
  /** Set by the adapter when the locking clause is in the statement it sends. */
  applied: boolean
  /** Why the adapter refused to send the statement. */
  refusal?: Error
  /** Who held the lock when the statement gave up waiting for it. */
  blockers?: readonly LockBlocker[]
}

// Prisma passes `skip` on verbatim from 0 to 2^32 - 1; the upper half carries the markers.
const FIRST_MARKER = 2 ** 31

interface Registry {
  readonly requests: Map<number, LockRequest>
  /** Markers of requests that are done, the last one on top. */
  readonly free: number[]
}

// One registry a process: the extension and the adapter may come from two copies of this package.
const REGISTRY = Symbol.for('rowlock.lockRequests')
const shared = globalThis as { [REGISTRY]?: Registry }
const registry: Registry = (shared[REGISTRY] ??= { requests: new Map(), free: [] })

/** Whether `skip` is in the range that rowlock keeps for its markers. */
export const isMarker = (skip: number): boolean => skip >= FIRST_MARKER

/**
 * Registers a request and returns the `skip` that stands for it: one that was used before, where one is
 * free. Prisma keeps the plan of a query for each `skip`, so a new one each time would have every locked
 * query compiled again (0.2 ms), and the plans of all others dropped from the cache.
 */
export function openLockRequest(
  lock: RowLock,
  skip: number,
  update?: RowUpdate,
  observer?: LockObserver,
): { readonly marker: number; readonly request: LockRequest } {
  const marker = registry.free.pop() ?? FIRST_MARKER + registry.requests.size
  const request: LockRequest = { lock, skip, update, observer, applied: false }
  registry.requests.set(marker, request)
  return { marker, request }
}

/** Forgets a request when its query is done. */
export function closeLockRequest(marker: number): void {
  if (registry.requests.delete(marker)) registry.free.push(marker)
}

/** The request that a statement's last argument stands for, if it is a marker of a query under way. */
export function findLockRequest({ sql, args }: Pick<SqlQuery, 'sql' | 'args'>): LockRequest | undefined {
  if (registry.requests.size === 0) return undefined
  const skip = Number(args.at(-1))
  const request = isMarker(skip) ? registry.requests.get(skip) : undefined
  // An amount of money may be the number of a marker.
  return request && sql.includes(`OFFSET $${args.length}`) ? request : undefined
}
