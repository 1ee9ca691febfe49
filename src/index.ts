/**
 * Locks on the rows that a Prisma client reads, transactions that survive contention, advisory locks, and every error.
 *
 * @module rowlock
 */

export { lockable, type LockableOptions } from './adapter/lockable.js'
export { rowLocks } from './extension/row-locks.js'
export type { RowLocksOptions } from './events/row-locks-options.js'
export type {
  GateQueuedEvent,
  LockAcquiredEvent,
  LockEventStrength,
  LockRefusedEvent,
  LockReleasedEvent,
  LockSlowEvent,
  LockWaitedEvent,
  RowLockEvent,
  TransactionCommittedEvent,
  TransactionRetriedEvent,
} from './events/row-lock-event.js'
export type { WithLockOptions } from './extension/with-lock.js'
export { directQuery, type DirectStatement } from './extension/direct-query.js'
export { lockInOrder, type RowToLock } from './extension/lock-in-order.js'
export type {
  Committing,
  CommittingClient,
  Lockable,
  LockableClient,
  LockableModel,
  PrismaModel,
  ResultOfModel,
  RowLocksExtension,
  RowLocksExtensionArgs,
} from './extension/extension-types.js'
export type { AdvisoryLockOptions } from './extension/advisory-lock.js'
export { type AdvisoryLockKey, advisoryLockKey } from './sql/advisory-lock-key.js'
export type { LockAndWait, LockOption, LockOrFail, LockOrSkip, LockStrength, LockWithin } from './core/lock-option.js'
export type { TransactionContext, TransactionFunction } from './transaction/run-transaction.js'
export { lockTree } from './monitor/lock-tree.js'
export type { DeadlockRecord, LockSession, LockTarget, LockTree, LockWait } from './monitor/lock-tree-types.js'
export { coalesce, type CoalesceKey, type CoalesceOptions } from './transaction/coalesce.js'
export type { TransactionClientOf } from './transaction/transaction-client.js'
export type { Gate, GateOptions, RowGate } from './transaction/gate.js'
export type { IsolationLevel, RetryableErrorCode, RetryEvent, RetryOptions, TransactionOptions } from './transaction/transaction-options.js'
export {
  AlreadyCommittedError,
  AmbiguousCommitError,
  CommitNotSupportedError,
  ConnectionLostError,
  DeadlockError,
  IdempotencyConflictError,
  InvalidOptionError,
  isRowLockError,
  LockLostError,
  LockNotAppliedError,
  LockNotAvailableError,
  LockNotSupportedError,
  LockOutsideTransactionError,
  LockTimeoutError,
  PoolTimeoutError,
  ReadOnlyError,
  RecordNotFoundError,
  ReentrantLockError,
  RetryExhaustedError,
  RowLockError,
  SerializationError,
  StaleClaimError,
  StaleTokenError,
  StatementTimeoutError,
  TransactionExpiredError,
} from './core/errors.js'
export type { LockBlocker, RowLockErrorCode, RowLockErrorDetails } from './core/errors.js'
