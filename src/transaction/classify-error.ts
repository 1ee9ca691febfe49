import {
  ConnectionLostError,
  DeadlockError,
  isRowLockError,
  LockNotAvailableError,
  LockTimeoutError,
  type RowLockError,
  type RowLockErrorDetails,
  SerializationError,
  StatementTimeoutError,
  TransactionExpiredError,
} from '../core/errors.js'
import { driverErrorCause, errorSqlState } from '../core/error-sql-state.js'
import { endsConnection, SQL_STATE } from '../core/sql-state.js'

/** What the failing call asked for; it decides what an error means and goes into its message. */
export interface ErrorContext extends RowLockErrorDetails {
  /** True when the statement asked not to wait: 55P03 is then a refusal and not an expired wait. */
  readonly nowait?: boolean
}

// What the driver `pg` says of a dead connection; these errors carry no code. The first two come from
// a client that knows: nothing was sent.
const NOT_SENT_MESSAGES = ['Client has encountered a connection error', 'Client was closed and is not queryable']
const CONNECTION_LOST_MESSAGES = [...NOT_SENT_MESSAGES, 'Connection terminated']
const CONNECTION_LOST_KINDS = ['ConnectionClosed', 'SocketTimeout', 'DatabaseNotReachable']

/**
 * The {@link RowLockError} that explains an error of Prisma or its driver, told apart by SQLSTATE, or
 * undefined when the error has nothing to do with locks, time limits or the connection.
 */
export function classifyError(error: unknown, context: ErrorContext = {}): RowLockError | undefined {
  if (isRowLockError(error)) return error
  const sqlState = errorSqlState(error)
  const details = { ...context, cause: error, sqlState }
  const what = describeCall(context)

  if (sqlState === undefined) {
    return isConnectionLost(error)
      ? new ConnectionLostError(`The connection died during ${what}; the transaction was rolled back.`, details)
      : undefined
  }
  switch (sqlState) {
    case SQL_STATE.lockNotAvailable:
      return context.nowait
        ? new LockNotAvailableError(`Another transaction holds a conflicting lock, and ${what} asked not to wait for it.`, details)
        : new LockTimeoutError(`The lock that ${what} waits for was not granted in time.`, details)
    case SQL_STATE.deadlockDetected:
      return new DeadlockError(`PostgreSQL broke a deadlock by aborting the transaction of ${what}; run the whole transaction again.`, details)
    case SQL_STATE.serializationFailure:
      return new SerializationError(`A concurrent transaction changed what ${what} depends on; run the whole transaction again.`, details)
    case SQL_STATE.queryCanceled:
      return new StatementTimeoutError(`PostgreSQL cancelled the statement of ${what}: a time limit, or a cancel from another session.`, details)
    case SQL_STATE.transactionTimeout:
      return new TransactionExpiredError(`The server's transaction_timeout ended the transaction of ${what}.`, details)
  }
  return endsConnection(sqlState)
    ? new ConnectionLostError(`The server ended the connection during ${what}; the transaction was rolled back.`, details)
    : undefined
}

/** Whether the error says that the connection died before the statement could be sent at all. */
export function wasNeverSent(error: unknown): boolean {
  return error instanceof Error && NOT_SENT_MESSAGES.some((message) => error.message.startsWith(message))
}

function isConnectionLost(error: unknown): boolean {
  const kind = driverErrorCause(error)?.['kind']
  if (typeof kind === 'string') return CONNECTION_LOST_KINDS.includes(kind)
  return error instanceof Error && CONNECTION_LOST_MESSAGES.some((message) => error.message.startsWith(message))
}

function describeCall({ model, key, strength }: ErrorContext): string {
  if (model === undefined) return 'the call'
  const lock = strength === undefined ? '' : ` with lock '${strength}'`
  return `the call on ${model}${describeKey(key)}${lock}`
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
