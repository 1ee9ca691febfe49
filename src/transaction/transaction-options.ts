import { InvalidOptionError, type RowLockError, type RowLockErrorCode } from '../core/errors.js'
import { MAX_TIMEOUT, parseTimeout } from '../core/lock-option.js'
import { assertFunction, assertSignal, isArray, parseNumber, readable, readOptions } from '../core/option-checks.js'
import { parseLabel } from '../sql/transaction-label.js'
import { type Gate, type GateSettings, parseGate } from './gate.js'

/** Isolation levels, in Prisma's spelling. */
export type IsolationLevel = 'ReadUncommitted' | 'ReadCommitted' | 'RepeatableRead' | 'Serializable'

/** The failures after which a transaction may be run again from its start. */
export type RetryableErrorCode = Extract<
  RowLockErrorCode,
  'DEADLOCK' | 'SERIALIZATION_FAILURE' | 'CONNECTION_LOST' | 'LOCK_NOT_AVAILABLE' | 'LOCK_TIMEOUT' | 'POOL_TIMEOUT'
>

/** When and how often a transaction is run again. */
export interface RetryOptions {
  /** How often the transaction is run at most, the first time included. Default: 5, minimum: 1. */
  readonly attempts?: number
  /**
   * No further attempt starts later than this many milliseconds after the first, waits at the `gate` not
   * counted. Default: 30,000.
   */
  readonly deadline?: number
  /** Upper bound of the first pause, in milliseconds; it doubles with each attempt. Default: 20. */
  readonly baseDelay?: number
  /** Upper bound of every pause, in milliseconds. Default: 1,000. */
  readonly maxDelay?: number
  /**
   * The error codes to retry. Default: `DEADLOCK`, `SERIALIZATION_FAILURE` and `CONNECTION_LOST` (the
   * connection died before COMMIT was sent). An ambiguous commit is never retried.
   */
  readonly on?: readonly RetryableErrorCode[]
}

/** What `onRetry` is told before each pause. */
export interface RetryEvent {
  /** The number of the attempt that failed, from 1. */
  readonly attempt: number
  /** Why it failed. */
  readonly error: RowLockError
  /** How long the pause before the next attempt is, in milliseconds. */
  readonly delay: number
}

/** Options of `$transactionWithRetry`. */
export interface TransactionOptions {
  /**
   * What the transaction is for, so that others can tell: 1 to 40 printable ASCII characters. While it runs, its session's
   * `application_name` in `pg_stat_activity` ends with ` rowlock:<label>`, and `lockTree` tells the label. Default: none.
   */
  readonly label?: string
  /** Default: the database's, `ReadCommitted` unless configured. */
  readonly isolationLevel?: IsolationLevel
  /** How long to wait for a pool connection, in milliseconds. Default: 2,000. */
  readonly maxWait?: number
  /** How long one attempt may take, in milliseconds, lock waits included. Default: 5,000. */
  readonly timeout?: number
  /** How long each statement may wait for a lock, in milliseconds. Default: just under `timeout`. */
  readonly lockTimeout?: number
  /**
   * Where to queue, in this process, before each attempt takes a connection: see {@link Gate}. This wait has
   * no limit of its own, as `maxWait` and `timeout` begin after it; `signal` ends it. Default: nowhere.
   */
  readonly gate?: Gate
  /** Ends the transaction when aborted, also in the middle of a lock wait or at the gate. Default: none. */
  readonly signal?: AbortSignal
  /** When to run it again; `false` runs it once and throws what went wrong. Default: as {@link RetryOptions} says. */
  readonly retry?: RetryOptions | false
  /** Called before each pause, and waited for; what it throws ends the retries and is thrown. Default: nothing is called. */
  readonly onRetry?: (event: RetryEvent) => void | Promise<void>
}

/** Validated {@link TransactionOptions} with every default filled in. */
export interface TransactionSettings {
  readonly label: string | undefined
  readonly isolationLevel: IsolationLevel | undefined
  readonly maxWait: number
  readonly timeout: number
  readonly lockTimeout: number
  readonly gate: GateSettings | undefined
  readonly signal: AbortSignal | undefined
  readonly retry: Required<RetryOptions>
  readonly onRetry: ((event: RetryEvent) => void | Promise<void>) | undefined
}

const ISOLATION_LEVELS: readonly IsolationLevel[] = ['ReadUncommitted', 'ReadCommitted', 'RepeatableRead', 'Serializable']
const RETRYABLE: readonly RetryableErrorCode[] = [
  'DEADLOCK',
  'SERIALIZATION_FAILURE',
  'CONNECTION_LOST',
  'LOCK_NOT_AVAILABLE',
  'LOCK_TIMEOUT',
  'POOL_TIMEOUT',
]
export const TRANSACTION_OPTION_KEYS = [
  'label',
  'isolationLevel',
  'maxWait',
  'timeout',
  'lockTimeout',
  'gate',
  'signal',
  'retry',
  'onRetry',
] as const
const RETRY_KEYS = ['attempts', 'deadline', 'baseDelay', 'maxDelay', 'on'] as const

const DEFAULT_RETRY: Required<RetryOptions> = {
  attempts: 5,
  deadline: 30_000,
  baseDelay: 20,
  maxDelay: 1_000,
  on: ['DEADLOCK', 'SERIALIZATION_FAILURE', 'CONNECTION_LOST'],
}

// A wait for the first lock then ends as a lock timeout, with the holder named, and not as an expired
// transaction. PostgreSQL keeps this limit by itself, also when our process is gone.
const LOCK_TIMEOUT_SHARE = 0.95

/** @throws {InvalidOptionError} for any value outside the documented range and any unknown key. */
export function parseTransactionOptions(options: TransactionOptions = {}): TransactionSettings {
  options = readOptions(options, TRANSACTION_OPTION_KEYS, 'options')
  const timeout = options.timeout === undefined ? 5_000 : parseTimeout(options.timeout, 'timeout')
  const budget = Math.max(1, Math.floor(timeout * LOCK_TIMEOUT_SHARE))
  const lockTimeout = options.lockTimeout === undefined ? budget : parseTimeout(options.lockTimeout, 'lockTimeout')
  assertSignal(options.signal, 'signal')
  if (options.onRetry !== undefined) assertFunction(options.onRetry, 'onRetry')
  return {
    label: parseLabel(options.label),
    isolationLevel: parseIsolationLevel(options.isolationLevel),
    maxWait: options.maxWait === undefined ? 2_000 : parseTimeout(options.maxWait, 'maxWait'),
    timeout,
    lockTimeout: Math.min(lockTimeout, budget),
    gate: parseGate(options.gate),
    signal: options.signal,
    retry: parseRetryOptions(options.retry),
    onRetry: options.onRetry,
  }
}

function parseIsolationLevel(value: unknown): IsolationLevel | undefined {
  if (value === undefined) return undefined
  const level = ISOLATION_LEVELS.find((known) => known === value)
  if (level === undefined) throw new InvalidOptionError('isolationLevel', value, `one of ${ISOLATION_LEVELS.join(', ')}`)
  return level
}

function parseRetryOptions(retry: RetryOptions | false | undefined): Required<RetryOptions> {
  if (retry === undefined) return DEFAULT_RETRY
  if (retry === false) return { ...DEFAULT_RETRY, attempts: 1 }
  retry = readOptions(retry, RETRY_KEYS, 'retry')
  return {
    attempts: parseNumber(retry.attempts, 'retry.attempts', { min: 1 }) ?? DEFAULT_RETRY.attempts,
    deadline: parseNumber(retry.deadline, 'retry.deadline', { min: 0 }) ?? DEFAULT_RETRY.deadline,
    baseDelay: parseNumber(retry.baseDelay, 'retry.baseDelay', { min: 0, max: MAX_TIMEOUT }) ?? DEFAULT_RETRY.baseDelay,
    maxDelay: parseNumber(retry.maxDelay, 'retry.maxDelay', { min: 0, max: MAX_TIMEOUT }) ?? DEFAULT_RETRY.maxDelay,
    on: parseRetryCodes(retry.on),
  }
}

function parseRetryCodes(on: unknown): readonly RetryableErrorCode[] {
  const refuse = (given: unknown) => new InvalidOptionError('retry.on', given, `an array of ${RETRYABLE.join(', ')}`)
  if (on === undefined) return DEFAULT_RETRY.on
  if (!isArray(on)) throw refuse(on)
  return readable(on, 'retry.on', () =>
    Array.from(on, (code) => {
      if (!(RETRYABLE as readonly unknown[]).includes(code)) throw refuse(on)
      return code as RetryableErrorCode
    }),
  )
}
