import { RowLockError } from '../core/errors.js'

/** No PostgreSQL could be had: the message says which one was tried and what to do. */
export class DatabaseUnavailableError extends RowLockError {
  readonly code = 'DATABASE_UNAVAILABLE'
  readonly retryable = false
}

/** A migration could not be applied; `cause` is what the schema engine said. */
export class MigrationError extends RowLockError {
  readonly code = 'MIGRATION_FAILED'
  readonly retryable = false
}
