/**
 * The errors of rowlock. Every one is a {@link RowLockError}: told apart by class or by `code`, never
 * by message text. Data stands in fields; the message is one sentence that says what happened, to
 * which row, and what to do.
 */

/** What went wrong, as a literal that survives bundling, copies of the package and serialization. */
export type RowLockErrorCode =
  | 'LOCK_NOT_AVAILABLE'
  | 'LOCK_TIMEOUT'
  | 'DEADLOCK'
  | 'SERIALIZATION_FAILURE'
  | 'STATEMENT_TIMEOUT'
  | 'TRANSACTION_EXPIRED'
  | 'POOL_TIMEOUT'
  | 'CONNECTION_LOST'
  | 'AMBIGUOUS_COMMIT'
  | 'ALREADY_COMMITTED'
  | 'COMMIT_NOT_SUPPORTED'
  | 'READ_ONLY'
  | 'RETRY_EXHAUSTED'
  | 'LOCK_OUTSIDE_TRANSACTION'
  | 'LOCK_NOT_APPLIED'
  | 'LOCK_NOT_SUPPORTED'
  | 'INVALID_OPTION'
  | 'RECORD_NOT_FOUND'
  | 'REENTRANT_LOCK'
  | 'LOCK_LOST'
  | 'STALE_TOKEN'
  | 'STALE_CLAIM'
  | 'IDEMPOTENCY_CONFLICT'

/** A session that held a conflicting lock when PostgreSQL was asked. */
export interface LockBlocker {
  /** The backend's process id, as in `pg_stat_activity.pid`. */
  readonly pid: number
  /** Its `application_name`, or null when it set none. */
  readonly applicationName: string | null
  /** `active`, `idle in transaction` …, as in `pg_stat_activity.state`. */
  readonly state: string | null
  /** Its current or last statement. */
  readonly query: string | null
  /** How long its transaction has been open, in milliseconds. */
  readonly transactionAge: number | null
}

/** What is known about a failure; every field is optional and only set where it applies. */
export interface RowLockErrorDetails {
  /** The Prisma model the failing call was about. */
  readonly model?: string | undefined
  /** The row the call asked for, as the caller named it. */
  readonly key?: unknown
  /** The lock strength asked for. */
  readonly strength?: string | undefined
  /** PostgreSQL's SQLSTATE. */
  readonly sqlState?: string | undefined
  /** Who held the lock, where PostgreSQL could be asked in time. */
  readonly blockers?: readonly LockBlocker[] | undefined
  /** The error this one explains, nearly always Prisma's. */
  readonly cause?: unknown
}

// Symbol.for: two installed copies of rowlock recognise each other's errors.
const BRAND = Symbol.for('rowlock.error')

/** The base of every error that rowlock throws. */
export abstract class RowLockError extends Error {
  /** What went wrong, told apart without the class. */
  abstract readonly code: string
  /** True when running the whole transaction again may succeed. */
  abstract readonly retryable: boolean
  // `declare`: a field that does not apply is absent and not undefined.
  /** The Prisma model the failing call was about. */
  declare readonly model?: string
  /** The row the call asked for, as the caller named it. */
  declare readonly key?: unknown
  /** The lock strength asked for. */
  declare readonly strength?: string
  /** PostgreSQL's SQLSTATE. */
  declare readonly sqlState?: string
  /** Who held the lock, where PostgreSQL could be asked in time. */
  declare readonly blockers?: readonly LockBlocker[]

  constructor(message: string, details: RowLockErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = new.target.name
    Object.defineProperty(this, BRAND, { value: true })
    const { model, key, strength, sqlState, blockers } = details
    if (model !== undefined) this.model = model
    if (key !== undefined) this.key = key
    if (strength !== undefined) this.strength = strength
    if (sqlState !== undefined) this.sqlState = sqlState
    if (blockers !== undefined) this.blockers = blockers
  }
}

/**
 * Tells whether `error` was thrown by rowlock, also when it came from another installed copy of the
 * package, where `instanceof` says no.
 *
 * @example
 * ```ts
 * try {
 *   await prisma.$transaction((tx) => tx.wallet.findUnique({ where: { id: 1 }, lock: 'forUpdate' }))
 * } catch (error) {
 *   if (isRowLockError(error) && error.code === 'LOCK_TIMEOUT') console.log('busy, try again')
 *   else throw error
 * }
 * ```
 */
export function isRowLockError(error: unknown): error is RowLockError {
  if (typeof error !== 'object' || error === null) return false
  try {
    return (error as Record<symbol, unknown>)[BRAND] === true
  } catch {
    // Anything can be thrown, also what throws when it is looked at.
    return false
  }
}

/** `nowait` was asked for and another transaction holds a conflicting lock (SQLSTATE 55P03). */
export class LockNotAvailableError extends RowLockError {
  readonly code = 'LOCK_NOT_AVAILABLE'
  readonly retryable = true
}

/** The wait for a lock took longer than the caller allowed (SQLSTATE 55P03 after a wait). */
export class LockTimeoutError extends RowLockError {
  readonly code = 'LOCK_TIMEOUT'
  readonly retryable = true
}

/** PostgreSQL chose this transaction as the victim of a deadlock (SQLSTATE 40P01). */
export class DeadlockError extends RowLockError {
  readonly code = 'DEADLOCK'
  readonly retryable = true
}

/** The transaction cannot be serialized against a concurrent one (SQLSTATE 40001). */
export class SerializationError extends RowLockError {
  readonly code = 'SERIALIZATION_FAILURE'
  readonly retryable = true
}

/** A statement was cancelled: `statement_timeout`, or a cancel from another session (SQLSTATE 57014). */
export class StatementTimeoutError extends RowLockError {
  readonly code = 'STATEMENT_TIMEOUT'
  readonly retryable = false
}

/** The transaction outlived its `timeout` and was rolled back. */
export class TransactionExpiredError extends RowLockError {
  readonly code = 'TRANSACTION_EXPIRED'
  readonly retryable = false
}

/** No connection came free within `maxWait`; the transaction never started. */
export class PoolTimeoutError extends RowLockError {
  readonly code = 'POOL_TIMEOUT'
  readonly retryable = true
}

/**
 * The connection died before COMMIT was sent: the transaction was rolled back by the server. Or the server
 * took none, as it is starting or has too many: nothing was sent.
 */
export class ConnectionLostError extends RowLockError {
  readonly code = 'CONNECTION_LOST'
  readonly retryable = true
}

/**
 * The connection died after COMMIT was sent and before its answer came: the transaction may or may
 * not have been committed. Never retried by itself; look the effect up, or give the operation an
 * idempotency key.
 */
export class AmbiguousCommitError extends RowLockError {
  readonly code = 'AMBIGUOUS_COMMIT'
  readonly retryable = false
}

/**
 * The transaction was committed by a call with `commit: true`, and what came after it failed: `cause` says how.
 * Nothing was rolled back. Never retried by itself: what the transaction wrote is there.
 */
export class AlreadyCommittedError extends RowLockError {
  readonly code = 'ALREADY_COMMITTED'
  readonly retryable = false
}

/**
 * `commit: true` stands where the call cannot be sent together with COMMIT, or a call came after one that has it,
 * which must be the last of its transaction. Nothing was sent.
 */
export class CommitNotSupportedError extends RowLockError {
  readonly code = 'COMMIT_NOT_SUPPORTED'
  readonly retryable = false
}

/**
 * The server is a standby, or the transaction is read-only: it neither writes nor locks rows (SQLSTATE
 * 25006). Trying again helps only once the connections lead to another server.
 */
export class ReadOnlyError extends RowLockError {
  readonly code = 'READ_ONLY'
  readonly retryable = false
}

/** Every attempt failed with a retryable error; `cause` is the last one. */
export class RetryExhaustedError extends RowLockError {
  readonly code = 'RETRY_EXHAUSTED'
  readonly retryable = false
  /** How many times the transaction was run. */
  readonly attempts: number

  constructor(message: string, details: RowLockErrorDetails & { readonly attempts: number }) {
    super(message, details)
    this.attempts = details.attempts
  }
}

/** A row lock was asked for outside a transaction, where it would be released at once. */
export class LockOutsideTransactionError extends RowLockError {
  readonly code = 'LOCK_OUTSIDE_TRANSACTION'
  readonly retryable = false
}

/** The locking clause never reached PostgreSQL; the rows are not locked. */
export class LockNotAppliedError extends RowLockError {
  readonly code = 'LOCK_NOT_APPLIED'
  readonly retryable = false
}

/** PostgreSQL or Prisma cannot lock what was asked for; nothing was sent. */
export class LockNotSupportedError extends RowLockError {
  readonly code = 'LOCK_NOT_SUPPORTED'
  readonly retryable = false
}

/** An argument is not one of the allowed values; nothing was sent. */
export class InvalidOptionError extends RowLockError {
  readonly code = 'INVALID_OPTION'
  readonly retryable = false
  /** The argument's name, as a path: `lock.timeout`. */
  readonly option: string
  /** What is allowed, in words. */
  readonly allowed: string
  /** What was given. Not enumerable: what was given by mistake, such as a client, may hold a password, and errors are logged. */
  declare readonly given: unknown

  constructor(option: string, given: unknown, allowed: string, cause?: unknown) {
    const name = shorten(option)
    super(`Option \`${name}\` must be ${allowed}; ${describe(given)} was given.`, { cause })
    this.option = name
    this.allowed = allowed
    Object.defineProperty(this, 'given', { value: given })
  }
}

/** The row to lock does not exist. */
export class RecordNotFoundError extends RowLockError {
  readonly code = 'RECORD_NOT_FOUND'
  readonly retryable = false
}

/** A locker was asked for a key by the code that holds it already: it would wait for itself. */
export class ReentrantLockError extends RowLockError {
  readonly code = 'REENTRANT_LOCK'
  readonly retryable = false
}

/** A lock that can be lost was lost while it was held: it was not renewed in time, or its connection died. */
export class LockLostError extends RowLockError {
  readonly code = 'LOCK_LOST'
  readonly retryable = false
}

/** A guarded write carried a fencing token that is no longer the latest: another holder has taken over. */
export class StaleTokenError extends RowLockError {
  readonly code = 'STALE_TOKEN'
  readonly retryable = false
  /** The token that was refused. */
  readonly token: bigint

  constructor(message: string, details: RowLockErrorDetails & { readonly token: bigint }) {
    super(message, details)
    this.token = details.token
  }
}

/** A job was reported by a worker whose attempt is over: it was presumed dead, or has reported before. */
export class StaleClaimError extends RowLockError {
  readonly code = 'STALE_CLAIM'
  readonly retryable = false
  /** The number of the attempt that was refused. */
  readonly attempt: number

  constructor(message: string, details: RowLockErrorDetails & { readonly attempt: number }) {
    super(message, details)
    this.attempt = details.attempt
  }
}

/** The key was used before, with other input. */
export class IdempotencyConflictError extends RowLockError {
  readonly code = 'IDEMPOTENCY_CONFLICT'
  readonly retryable = false
  /** What the key was used for: `credit`, `withdraw`, `placeOrder`, or the `operation` given to `once`. */
  readonly operation: string
  readonly idempotencyKey: string

  constructor(operation: string, idempotencyKey: string) {
    super(`The key ${JSON.stringify(idempotencyKey)} was used for another ${operation} before; use a new key for new input.`, {
      key: idempotencyKey,
    })
    this.operation = operation
    this.idempotencyKey = idempotencyKey
  }
}

/** A short, safe rendering of any value for an error message: never calls the value's own code. */
function describe(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(shorten(value))
    case 'bigint':
      // Past 64 bits it is nobody's number, and may take seconds to write down.
      return BigInt.asIntN(64, value) === value ? `${value}n` : 'a bigint beyond 64 bits'
    case 'symbol':
      return 'a symbol'
    case 'function':
      return 'a function'
    case 'object':
      return value === null ? 'null' : isArray(value) ? 'an array' : 'an object'
    default:
      return String(value)
  }
}

/** `Array.isArray` throws for a revoked proxy. */
function isArray(value: object): boolean {
  try {
    return Array.isArray(value)
  } catch {
    return false
  }
}

const MAX_SHOWN = 60

const shorten = (text: string): string => (text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text)
