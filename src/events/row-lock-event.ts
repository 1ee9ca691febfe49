import type { LockBlocker, RowLockError } from '../core/errors.js'
import type { LockStrength } from '../core/lock-option.js'
import type { AdvisoryLockKey } from '../sql/advisory-lock-key.js'

/** What is locked: rows, by a strength, or a name, by an advisory lock. */
export type LockEventStrength = LockStrength | 'advisory' | 'advisoryShared'

interface BaseEvent {
  /** When it happened, by this process's clock. */
  readonly at: Date
  /** The `label` of the transaction, when it has one. */
  readonly label?: string | undefined
}

interface LockEvent extends BaseEvent {
  /** The Prisma model of the rows; undefined for an advisory lock. */
  readonly model?: string | undefined
  /** The model's table, by its name in the database. */
  readonly table?: string | undefined
  /** The `where` of the find as the caller gave it, or the key of the advisory lock. */
  readonly key: unknown
  /** What was asked for. */
  readonly strength: LockEventStrength
}

/**
 * A statement has waited for its lock, as PostgreSQL said while it did, and waits no more: `lock.acquired` or
 * `lock.refused` follows. A wait that was over before PostgreSQL was asked, after 20 ms, is not seen.
 */
export interface LockWaitedEvent extends LockEvent {
  readonly type: 'lock.waited'
  /** Milliseconds from the beginning of the wait, by the server's clock, to the statement's answer. */
  readonly waited: number
  /** Who held the lock when PostgreSQL was asked: not who waits for it as well and comes first. */
  readonly blockers: readonly LockBlocker[]
  /** Why the lock was not granted, when it was not. */
  readonly error?: RowLockError | undefined
}

/** A statement has waited for its lock for `slowLock` milliseconds, and still does. Once a statement. */
export interface LockSlowEvent extends LockEvent {
  readonly type: 'lock.slow'
  /** Milliseconds, so far. */
  readonly waited: number
  /** Who holds the lock now, and what they run or ran last. */
  readonly blockers: readonly LockBlocker[]
}

/** The lock was granted, and is held until the transaction ends. Not for a find that found no row. */
export interface LockAcquiredEvent extends LockEvent {
  readonly type: 'lock.acquired'
  /** Milliseconds from sending the statement to its answer, waiting included. */
  readonly duration: number
  /** As of `lock.waited`; undefined when no wait was seen. */
  readonly waited?: number | undefined
  /** How many rows were locked and returned; 1 for an advisory lock. */
  readonly rows: number
}

/** The lock was not granted, or the statement that asked for it was ended: `error` says why. */
export interface LockRefusedEvent extends BaseEvent {
  readonly type: 'lock.refused'
  /** As of `lock.acquired`, where known. */
  readonly model?: string | undefined
  /** As of `lock.acquired`, where known. */
  readonly table?: string | undefined
  /** As of `lock.acquired`, where known. */
  readonly key?: unknown
  /** Undefined for a write or raw SQL, whose locks nobody named. */
  readonly strength?: LockEventStrength | undefined
  /** What the call throws. */
  readonly error: RowLockError
  /** As of `lock.waited`; undefined when no wait was seen. */
  readonly waited?: number | undefined
  /** Empty when PostgreSQL could not tell. */
  readonly blockers: readonly LockBlocker[]
}

/** The transaction of a lock has ended, and the lock with it. */
export interface LockReleasedEvent extends LockEvent {
  readonly type: 'lock.released'
  /** Milliseconds from the grant to the answer of COMMIT or ROLLBACK. */
  readonly held: number
}

/** An attempt of `$transactionWithRetry` or `withLock` has failed, and another one follows after a pause. */
export interface TransactionRetriedEvent extends BaseEvent {
  readonly type: 'transaction.retried'
  /** The number of the attempt that failed, from 1. */
  readonly attempt: number
  /** Why it failed. */
  readonly error: RowLockError
  /** How long the pause is, in milliseconds. */
  readonly delay: number
}

/** A transaction of `$transactionWithRetry` or `withLock` was committed. */
export interface TransactionCommittedEvent extends BaseEvent {
  readonly type: 'transaction.committed'
  /** How often it was run. */
  readonly attempts: number
  /** Milliseconds from the call to the commit: all attempts, pauses and waits. */
  readonly duration: number
  /** How much of it was spent at the gate. */
  readonly queued: number
}

/** A caller has to queue at its gate. */
export interface GateQueuedEvent extends BaseEvent {
  readonly type: 'gate.queued'
  /** As the caller gave it; for `gate: true` the model and the `where` as text. */
  readonly key: AdvisoryLockKey
  /** 1 for the one who is next. */
  readonly position: number
}

/** What `onEvent` is told, told apart by `type`. */
export type RowLockEvent =
  | LockWaitedEvent
  | LockSlowEvent
  | LockAcquiredEvent
  | LockRefusedEvent
  | LockReleasedEvent
  | TransactionRetriedEvent
  | TransactionCommittedEvent
  | GateQueuedEvent
