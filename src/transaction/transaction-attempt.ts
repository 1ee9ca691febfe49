import { setTimeout as sleep } from 'node:timers/promises'
import { type TransactionOpening, withTransactionOpening } from '../adapter/transaction-opening.js'
import { requestTransactionState, type TransactionState } from '../adapter/transaction-state.js'
import { classifyError } from '../core/classify-error.js'
import { errorSqlState } from '../core/error-sql-state.js'
import {
  AlreadyCommittedError,
  AmbiguousCommitError,
  LockNotSupportedError,
  PoolTimeoutError,
  SerializationError,
  TransactionExpiredError,
} from '../core/errors.js'
import { isInstance, propertyOf } from '../core/option-checks.js'
import { MAX_TIMEOUT } from '../core/lock-option.js'
import { andSetLabel } from '../sql/transaction-label.js'
import { rememberTransactionState } from './open-transactions.js'
import type { RawQueryClient } from './transaction-client.js'
import type { TransactionSettings } from './transaction-options.js'

// Prisma's own limit is the backstop behind ours: it cannot end a lock wait, as its ROLLBACK queues
// behind the waiting statement on the same connection.
const BACKSTOP = 1_000
const CANCEL_INTERVAL = 20
// A server that can no longer be reached answers no ROLLBACK and no COMMIT, and must not hold up the caller.
const ANSWER_GRACE = 2_000
const TRANSACTION_API_ERROR = 'P2028'

/**
 * One run of a transaction.
 *
 * ```
 * waiting for a connection ──▶ running ──▶ committing ──▶ done
 *            └──────────────┴──▶ ended early (expired or aborted): its statement is cancelled from
 *                                another connection, further ones are refused, then rolled back
 * running ──a call with `commit: true`──▶ committed, `fn` still runs ──▶ done, or AlreadyCommittedError
 * ```
 */
export class TransactionAttempt {
  readonly #settings: TransactionSettings
  readonly #controller = new AbortController()
  readonly #opening: TransactionOpening
  #entered = false
  #state: TransactionState | undefined
  #endedEarly: { readonly reason: unknown } | undefined
  #failure: { readonly error: unknown } | undefined
  #forget: (() => void) | undefined
  #deadline: NodeJS.Timeout | undefined
  #grace: NodeJS.Timeout | undefined
  #giveUp: (() => void) | undefined

  constructor(settings: TransactionSettings) {
    this.#settings = settings
    const { lockTimeout, label } = settings
    this.#opening = { lockTimeout, label, state: undefined, over: false }
  }

  /** Aborted when the transaction is to end early; `fn` gets it. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** What PostgreSQL said of the deadlock that the attempt ended in, where it is known. */
  get deadlockDetail(): string | undefined {
    return this.#state?.deadlockDetail
  }

  get prismaOptions() {
    const { isolationLevel, maxWait, timeout } = this.#settings
    return { maxWait, timeout: Math.min(timeout + BACKSTOP, MAX_TIMEOUT), ...(isolationLevel && { isolationLevel }) }
  }

  /**
   * Lets `start`, which opens the transaction by Prisma's own `$transaction`, tell the adapter its limits: they
   * then go along with the first statement. Any other way of opening takes a statement for it.
   */
  opening<R>(start: () => R): R {
    return withTransactionOpening(this.#opening, start)
  }

  /** Runs `start`, which opens the transaction and calls {@link enter} inside it. */
  async run<R>(start: () => Promise<R>): Promise<R> {
    const { signal } = this.#settings
    const onAbort = () => this.#endEarly(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      const result = await this.#unlessStuck(start())
      // PostgreSQL answers COMMIT of an aborted transaction with a silent ROLLBACK. Only `fn` can have
      // swallowed the error, and it must not be told that its work was kept.
      if (this.#state?.abortedBy !== undefined) throw this.#state.abortedBy as Error
      return result
    } catch (error) {
      throw this.#explain(error)
    } finally {
      this.#forget?.()
      this.#opening.over = true
      signal?.removeEventListener('abort', onAbort)
      clearTimeout(this.#deadline)
      clearTimeout(this.#grace)
    }
  }

  /** Takes hold of the transaction that `tx` stands for, sets its limits, and runs `fn` in it. */
  async enter<R>(tx: RawQueryClient, fn: () => Promise<R>): Promise<R> {
    this.#entered = true
    this.#throwIfEnded()
    this.#deadline = setTimeout(() => this.#onDeadline(), this.#settings.timeout)
    this.#state = this.#opening.state ?? (await this.#takeHold(tx))
    this.#state.label = this.#settings.label
    this.#forget = rememberTransactionState(tx, this.#state)
    this.#throwIfEnded()
    // The early end wins over an `fn` that waits for something else than the database.
    return Promise.race([this.#remembering(fn), this.#earlyEnd()])
  }

  /** What `fn` itself threw stays the answer when the transaction is ended early while it rolls back. */
  async #remembering<R>(fn: () => Promise<R>): Promise<R> {
    try {
      return await fn()
    } catch (error) {
      if (!this.#endedEarly) this.#failure = { error }
      throw error
    }
  }

  /** Of a transaction that the adapter could not begin with its limits. */
  async #takeHold(tx: RawQueryClient): Promise<TransactionState> {
    const { lockTimeout, label } = this.#settings
    const requested = requestTransactionState()
    let pid: number
    try {
      const [row] = await tx.$queryRawUnsafe<[{ pid: number }]>(
        `${requested.comment}SELECT pg_backend_pid() AS pid, set_config('lock_timeout', $1, true)${andSetLabel(label)}`,
        `${lockTimeout}ms`,
      )
      pid = row.pid
    } finally {
      this.#state = requested.take()
    }
    if (!this.#state) {
      throw new LockNotSupportedError(
        'The transaction cannot be guarded, as the client was made with a plain driver adapter; ' +
          'make it with `new PrismaClient({ adapter: lockable(adapter) })`.',
      )
    }
    return Object.assign(this.#state, { pid })
  }

  #expired(): TransactionExpiredError {
    const { timeout } = this.#settings
    return new TransactionExpiredError(`The transaction took longer than its timeout of ${timeout} ms and was rolled back.`)
  }

  #throwIfEnded(): void {
    if (this.#endedEarly) throw this.#endedEarly.reason
  }

  #endEarly(reason: unknown): void {
    if (this.#endedEarly || this.#state?.isClosing) return
    this.#endedEarly = { reason }
    this.#controller.abort(reason)
    if (this.#state) {
      this.#state.closedBy = isInstance(reason, Error) ? reason : new Error('The transaction was aborted.', { cause: reason })
      this.#state.cancelling = this.#cancelStatement(this.#state)
    }
  }

  /** Cancels until the statement has ended: the first cancel may come before the server began it. */
  async #cancelStatement(state: TransactionState): Promise<void> {
    while (state.busy && state.side) {
      if (state.pid !== undefined) await state.side.cancel(state.pid)
      if (state.busy) await sleep(CANCEL_INTERVAL)
    }
  }

  #earlyEnd(): Promise<never> {
    return new Promise((_, reject) => {
      const onAbort = () => reject(this.#endedEarly?.reason)
      if (this.signal.aborted) onAbort()
      else this.signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  #onDeadline(): void {
    if (this.#state?.isClosing && this.#state.commit === 'sent') this.#giveUpSoon()
    else this.#endEarly(this.#expired())
  }

  /** Settles as the transaction does, or with the early end when that need not or cannot be waited for. */
  #unlessStuck<R>(transaction: Promise<R>): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#giveUp = () => reject(this.#state?.commit === 'sent' ? unansweredCommit() : this.#endedEarly?.reason)
      const onEarlyEnd = () => {
        // While no connection has come there is nothing to roll back; Prisma hands it back when it comes.
        if (!this.#entered) this.#giveUp?.()
        else this.#giveUpSoon()
      }
      this.signal.addEventListener('abort', onEarlyEnd, { once: true })
      transaction.then(resolve, reject)
    })
  }

  #giveUpSoon(): void {
    this.#grace = setTimeout(() => this.#giveUp?.(), ANSWER_GRACE)
  }

  #explain(error: unknown): unknown {
    if (this.#state?.committedByCall) return alreadyCommitted(this.#failure?.error ?? this.#endedEarly?.reason ?? error)
    if (isInstance(error, AmbiguousCommitError)) return error
    if (this.#state?.commitError !== undefined) return this.#state.commitError
    if (this.#failure) return this.#explainFailure(this.#failure.error)
    if (this.#endedEarly) return this.#endedEarly.reason
    if (!this.#entered && propertyOf(error, 'code') === TRANSACTION_API_ERROR) return this.#poolTimeout(error)
    return this.#classify(error)
  }

  /** An error of `fn` that did not come from this transaction's own connection says nothing about it. */
  #explainFailure(error: unknown): unknown {
    const own = errorSqlState(error) !== undefined || this.#state?.failedWith(error)
    return own ? this.#classify(error) : error
  }

  #classify(error: unknown): unknown {
    if (this.#state?.failedByName && this.#state.abortedBy !== undefined) return preparedAnew(error)
    return classifyError(error) ?? error
  }

  #poolTimeout(cause: unknown): PoolTimeoutError {
    const { maxWait } = this.#settings
    return new PoolTimeoutError(
      `No connection came free within maxWait (${maxWait} ms); the transaction never started. ` +
        'Other transactions may be waiting for locks while they hold the pool.',
      { cause },
    )
  }
}

function preparedAnew(cause: unknown): SerializationError {
  return new SerializationError(
    'A statement could not be run as it was prepared, as its table was changed or a pooler does not carry prepared statements; ' +
      'it will be sent unprepared: run the whole transaction again.',
    { cause, sqlState: errorSqlState(cause) },
  )
}

function unansweredCommit(): AmbiguousCommitError {
  return new AmbiguousCommitError(
    'The COMMIT was sent and not answered in time: the transaction may have been committed; look its effect up before you run it again.',
  )
}

function alreadyCommitted(cause: unknown): AlreadyCommittedError {
  return new AlreadyCommittedError(
    'The transaction was committed by a call with `commit: true` before this failure, and nothing of it was rolled back: ' +
      'do not run it again as a whole.',
    { cause },
  )
}
