import type { LockTree } from '../monitor/lock-tree-types.js'

/** What the live page knows at one moment. */
export interface LockView {
  /** The database whose locks these are, as a person calls it. */
  readonly database?: string
  /** As it was read last; undefined before the first answer. */
  readonly tree?: LockTree
  /** How long ago that was, in milliseconds. */
  readonly age?: number
  /** Why the last reading failed, when it did. */
  readonly failure?: string
  /** The last minute, the oldest first. Seconds that nobody read are not in it. */
  readonly history: readonly LockSample[]
  /** When the next reading should be there, in milliseconds from now. */
  readonly nextIn: number
}

/** What one reading found. */
export interface LockSample {
  /** Before the latest reading. */
  readonly secondsAgo: number
  /** Undefined when the reading failed. */
  readonly waiters?: number
  /** In milliseconds; undefined when the reading failed. */
  readonly longestWait?: number
}

/** How much history there is, in seconds. */
export const HISTORY_SECONDS = 60

/** A reading that is older than this is no longer what is going on, in milliseconds. */
export const STALE_AFTER = 3_000
