import { MAX_TIMEOUT, parseTimeout } from '../core/lock-option.js'
import type { LockWait } from './lock-wait.js'

/** Limits of a lock that is held on a connection of a pool. */
export interface HoldLimitOptions {
  /**
   * The lock is lost when it is held for longer than this many milliseconds: `signal` is aborted, the
   * transaction is rolled back, and the connection is free for others. From 1. Default: 30,000; in session
   * scope none.
   */
  readonly maxHold?: number
  /**
   * How many milliseconds a caller without a `timeout` waits for a connection of the pool, which each held
   * lock keeps to itself. From 1. Default: 2,000. A caller's `timeout` takes its place.
   */
  readonly maxWait?: number
}

/** Validated {@link HoldLimitOptions}. */
export interface HoldLimits {
  readonly maxHold: number
  readonly maxWait: number
}

export const HOLD_LIMIT_KEYS = ['maxHold', 'maxWait'] as const

/** @throws {InvalidOptionError} when a limit is not a whole number of milliseconds. */
export function parseHoldLimits({ maxHold, maxWait }: HoldLimitOptions, defaultHold = 30_000): HoldLimits {
  return {
    maxHold: maxHold === undefined ? defaultHold : parseTimeout(maxHold, 'maxHold'),
    maxWait: maxWait === undefined ? 2_000 : parseTimeout(maxWait, 'maxWait'),
  }
}

// A caller's own limit ends the wait with the caller's error; the pool's must not come first.
const MARGIN = 1_000

/** How long this caller waits for a connection, in milliseconds. */
export function connectionLimit({ remaining }: LockWait, { maxWait }: HoldLimits): number {
  return remaining === undefined ? maxWait : Math.min(remaining + MARGIN, MAX_TIMEOUT)
}
