export { lockable, type LockableOptions } from './adapter/lockable.js'
export { rowLocks } from './extension/row-locks.js'
export { lockInOrder, type RowToLock } from './extension/lock-in-order.js'
export type { Lockable, RowLocksExtension, RowLocksExtensionArgs } from './extension/extension-types.js'
export type { AdvisoryLockOptions } from './extension/advisory-lock.js'
export { type AdvisoryLockKey, advisoryLockKey } from './sql/advisory-lock-key.js'
export type { LockAndWait, LockOption, LockOrFail, LockOrSkip, LockStrength, LockWithin } from './core/lock-option.js'
export type { TransactionContext, TransactionFunction } from './transaction/run-transaction.js'
export type { TransactionClientOf } from './transaction/transaction-client.js'
export type { IsolationLevel, RetryableErrorCode, RetryEvent, RetryOptions, TransactionOptions } from './transaction/transaction-options.js'
export {
  AmbiguousCommitError,
  ConnectionLostError,
  DeadlockError,
  InvalidOptionError,
  isRowLockError,
  LockNotAppliedError,
  LockNotAvailableError,
  LockNotSupportedError,
  LockOutsideTransactionError,
  LockTimeoutError,
  PoolTimeoutError,
  RecordNotFoundError,
  RetryExhaustedError,
  RowLockError,
  SerializationError,
  StatementTimeoutError,
  TransactionExpiredError,
} from './core/errors.js'
export type { LockBlocker, RowLockErrorCode, RowLockErrorDetails } from './core/errors.js'
