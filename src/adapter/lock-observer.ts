import type { LockBlocker } from '../core/errors.js'
import type { SqlResultSet } from './driver-adapter.js'

/** A wait for a lock, as the server told of it. */
export interface SeenWait {
  /** Milliseconds. */
  readonly waited: number
  readonly blockers: readonly LockBlocker[]
}

/** Whoever wants to know what becomes of one lock. None of its methods may throw. */
export interface LockObserver {
  /** After how many milliseconds of waiting {@link slow} is told. */
  readonly slowLock: number
  /** The statement still waits. */
  slow(wait: SeenWait): void
  /** The statement was answered. @returns Whether it has left a lock. */
  granted(result: SqlResultSet, duration: number, wait: SeenWait | undefined): boolean
  failed(wait: SeenWait | undefined): void
  /** The transaction has ended, this many milliseconds after the grant. */
  released(held: number): void
}
