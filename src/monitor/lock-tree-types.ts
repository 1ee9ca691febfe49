import type { LockStrength } from '../core/lock-option.js'
import type { DeadlockRecord } from '../transaction/deadlock-history.js'

export type { DeadlockRecord }

/** Who holds what others wait for, and who waits for whom, at one moment. */
export interface LockTree {
  /** When it was read, by the server's clock. */
  readonly readAt: Date
  /**
   * Sessions that hold what others wait for and wait for nobody themselves. Of sessions that wait for each other in a
   * circle, which PostgreSQL ends after its `deadlock_timeout`, the one whose transaction is the oldest.
   */
  readonly roots: readonly LockSession[]
  /** Deadlocks that calls of this client ran into, the latest first. */
  readonly deadlocks: readonly DeadlockRecord[]
}

/** A session that holds what others wait for, or waits itself. */
export interface LockSession {
  /** Of its backend, for `pg_cancel_backend`; 0 for prepared transactions, which have none. */
  readonly pid: number
  /** The `label` of its transaction, when it has one. */
  readonly label?: string
  /** The `application_name` of its connection, without the label. */
  readonly applicationName: string
  /** The role that it is connected as. */
  readonly user: string
  /** PostgreSQL's own word for it, such as `active` or `idle in transaction`; `<insufficient privilege>` when it may not be seen. */
  readonly state: string
  /** The statement that it runs, or ran last. */
  readonly query: string
  /** How long ago its transaction began, in milliseconds; undefined when it is in none, or may not be seen. */
  readonly transactionAge?: number
  /** What it waits for; undefined for a session that waits for no lock. */
  readonly wait?: LockWait
  /**
   * Those who wait for it, the one who has waited longest first. A session that waits for several is below each of them, with
   * its own waiters below the first. One of a circle stands again, without waiters, below those whom it waits for.
   */
  readonly waiters: readonly LockSession[]
}

/** What a session waits for. */
export interface LockWait {
  /** What it is on. */
  readonly target: LockTarget
  /** Of a row lock: what is asked for. */
  readonly strength?: LockStrength
  /** Since when it has waited, in milliseconds. */
  readonly duration: number
}

/** What a lock is on, as far as PostgreSQL can tell. */
export type LockTarget =
  | {
      readonly kind: 'row'
      readonly schema: string
      readonly table: string
      /** The Prisma model of the table, where the client has one. */
      readonly model?: string
      /** The row's primary key by field, or by column where there is no model; undefined when the row is not to be seen. */
      readonly key?: Readonly<Record<string, unknown>>
    }
  | { readonly kind: 'table'; readonly schema: string; readonly table: string; readonly model?: string }
  /** PostgreSQL's number of the lock: that of a `bigint`, or of two `int`s as `[first, second]`. */
  | { readonly kind: 'advisory'; readonly key: bigint | readonly [number, number] }
  /** The end of a transaction, where PostgreSQL does not say for which of its rows. */
  | { readonly kind: 'transaction' }
  /** PostgreSQL's `locktype`, such as `extend`. */
  | { readonly kind: 'other'; readonly type: string }
