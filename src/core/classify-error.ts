import {
  AmbiguousCommitError,
  ConnectionLostError,
  DeadlockError,
  isRowLockError,
  LockNotAvailableError,
  LockTimeoutError,
  PoolTimeoutError,
  ReadOnlyError,
  type RowLockError,
  type RowLockErrorDetails,
  SerializationError,
  StatementTimeoutError,
  TransactionExpiredError,
} from './errors.js'
import { isInstance, propertyOf } from './option-checks.js'
import { driverErrorCause, errorSqlState } from './error-sql-state.js'
import { endsConnection, refusesConnection, SQL_STATE } from './sql-state.js'

/** What the failing call asked for; it decides what an error means and goes into its message. */
export interface ErrorContext extends RowLockErrorDetails {
  /** What the call was about, in words. Default: the model, the key and the lock strength. */
  readonly subject?: string
  /** True when the statement asked not to wait: 55P03 is then a refusal and not an expired wait. */
  readonly nowait?: boolean
  /** True when the call may write and commits by itself: a lost answer then leaves its outcome open. */
  readonly autocommit?: boolean
}

// What the driver `pg` says of a dead connection; these errors carry no code. The first two come from
// a client that knows: nothing was sent.
const NOT_SENT_MESSAGES = ['Client has encountered a connection error', 'Client was closed and is not queryable']
const CONNECTION_LOST_MESSAGES = [...NOT_SENT_MESSAGES, 'Connection terminated']
// And of one that has not answered within its `query_timeout`, when the statement may be under way still.
const NOT_ANSWERED_MESSAGES = ['Query read timeout']
// What it says when its pool has no connection in time, or the server does not answer a new one.
const NO_CONNECTION_MESSAGES = ['timeout exceeded when trying to connect', 'Connection terminated due to connection timeout']
const CONNECTION_LOST_KINDS = ['ConnectionClosed', 'SocketTimeout']
const NOT_REACHABLE_KIND = 'DatabaseNotReachable'
// Socket errors that adapter-pg 7.10 has no kind for.
const SOCKET_ERRORS = ['EPIPE', 'ECONNRESET', 'ECONNABORTED', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'ENETRESET']

/**
 * The {@link RowLockError} that explains an error of Prisma or its driver, told apart by SQLSTATE, or
 * undefined when the error has nothing to do with locks, time limits or the connection.
 */
export function classifyError(error: unknown, context: ErrorContext = {}): RowLockError | undefined {
  if (isRowLockError(error)) return error
  const sqlState = errorSqlState(error)
  const details = { ...context, cause: error, sqlState }
  const what = describeCall(context)

  // Prisma has rewritten the error of a BEGIN or COMMIT that it sent by itself, and kept code and meta.
  const code = propertyOf(propertyOf(error, 'meta'), 'driverAdapterError') && propertyOf(error, 'code')
  if (code === 'AMBIGUOUS_COMMIT') return ambiguousCommit(`of ${what}`, details)
  if (code === 'CONNECTION_LOST') return connectionLost(what, details)
  if (code === 'POOL_TIMEOUT') return noConnection(what, details)

  if (sqlState === undefined) return classifyWithoutSqlState(error, what, details, context)
  switch (sqlState) {
    case SQL_STATE.lockNotAvailable:
      return context.nowait
        ? new LockNotAvailableError(`Another transaction holds a conflicting lock, and ${what} asked not to wait for it.`, details)
        : new LockTimeoutError(`The lock that ${what} waits for was not granted in time.`, details)
    case SQL_STATE.deadlockDetected:
      return new DeadlockError(
        `PostgreSQL broke a deadlock by aborting the transaction of ${what}; run the whole transaction again.`,
        details,
      )
    case SQL_STATE.serializationFailure:
      return new SerializationError(`A concurrent transaction changed what ${what} depends on; run the whole transaction again.`, details)
    case SQL_STATE.queryCanceled:
      return new StatementTimeoutError(
        `PostgreSQL cancelled the statement of ${what}: a time limit, or a cancel from another session.`,
        details,
      )
    case SQL_STATE.transactionTimeout:
      return new TransactionExpiredError(`The server's transaction_timeout ended the transaction of ${what}.`, details)
    case SQL_STATE.readOnlyTransaction:
      return new ReadOnlyError(
        `PostgreSQL refused ${what}: the server is a standby, or the transaction is read-only. Nothing was changed or locked.`,
        details,
      )
  }
  if (refusesConnection(sqlState)) {
    return new ConnectionLostError(`The server takes no connection now for ${what}; nothing was sent.`, details)
  }
  if (!endsConnection(sqlState)) return undefined
  return context.autocommit ? ambiguousCommit(`of ${what}`, details) : connectionLost(what, details)
}

/**
 * The {@link RowLockError} that explains why a COMMIT failed: the server's refusal, a connection that
 * was dead before, or, when the connection died in between, an outcome that nobody here knows.
 */
export function classifyFailedCommit(error: unknown): RowLockError | undefined {
  if (isAnswered(error) || wasNeverSent(error)) return classifyError(error)
  return ambiguousCommit('', { cause: error, sqlState: errorSqlState(error) })
}

/** Whether it is the server that has refused the statement, on a connection that lives on. */
export function isAnswered(error: unknown): boolean {
  const sqlState = errorSqlState(error)
  return sqlState !== undefined && !endsConnection(sqlState)
}

/** The row asked for, as it goes into a message: short, and never an error of its own. */
export function describeKey(key: unknown): string {
  if (key === undefined) return ''
  try {
    const text = JSON.stringify(key, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))
    return ` ${text.length > 120 ? `${text.slice(0, 120)}…` : text}`
  } catch {
    return ''
  }
}

function classifyWithoutSqlState(
  error: unknown,
  what: string,
  details: RowLockErrorDetails,
  { autocommit }: ErrorContext,
): RowLockError | undefined {
  if (saysOneOf(NO_CONNECTION_MESSAGES, error)) return noConnection(what, details)
  if (driverErrorCause(error)?.['kind'] === NOT_REACHABLE_KIND) {
    return new ConnectionLostError(`The server could not be reached for ${what}; nothing was sent.`, details)
  }
  if (!isConnectionLost(error)) return undefined
  return autocommit && !wasNeverSent(error) ? ambiguousCommit(`of ${what}`, details) : connectionLost(what, details)
}

function noConnection(what: string, details: RowLockErrorDetails): PoolTimeoutError {
  return new PoolTimeoutError(`The pool had no connection in time for ${what}; nothing was sent.`, details)
}

function connectionLost(what: string, details: RowLockErrorDetails): ConnectionLostError {
  return new ConnectionLostError(`The connection died during ${what}, before a COMMIT was sent; nothing was changed.`, details)
}

function ambiguousCommit(whose: string, details: RowLockErrorDetails): AmbiguousCommitError {
  return new AmbiguousCommitError(
    `The connection died after the COMMIT ${whose && `${whose} `}was sent and before it was answered: the transaction may have been ` +
      'committed; look its effect up before you run it again.',
    details,
  )
}

function isConnectionLost(error: unknown): boolean {
  const kind = driverErrorCause(error)?.['kind']
  if (typeof kind === 'string') return CONNECTION_LOST_KINDS.includes(kind)
  return (
    saysOneOf([...CONNECTION_LOST_MESSAGES, ...NOT_ANSWERED_MESSAGES], error) ||
    (propertyOf(error, 'syscall') !== undefined && SOCKET_ERRORS.includes(String(propertyOf(error, 'code'))))
  )
}

/** Whether the error says that the connection died before the statement could be sent at all. */
function wasNeverSent(error: unknown): boolean {
  return saysOneOf(NOT_SENT_MESSAGES, error)
}

// The driver's own sentences, which are never translated.
function saysOneOf(beginnings: readonly string[], error: unknown): boolean {
  return isInstance(error, Error) && beginnings.some((beginning) => error.message.startsWith(beginning))
}

function describeCall({ subject, model, key, strength }: ErrorContext): string {
  if (subject !== undefined) return subject
  if (model === undefined) return 'the call'
  const lock = strength === undefined ? '' : ` with lock '${strength}'`
  return `the call on ${model}${describeKey(key)}${lock}`
}
