import { classifyFailedCommit } from '../core/classify-error.js'
import { errorSqlState } from '../core/error-sql-state.js'
import { CommitNotSupportedError, type RowLockError } from '../core/errors.js'
import type { LockObserver } from './lock-observer.js'
import { cameBehind, commitAfterFailure, disturbed, type LastCall, newCommitReport } from './last-call.js'
import type { SendWithCommit } from './late-begin.js'
import type { CommitReport } from './piped-query.js'
import type { SideConnection } from './side-connection.js'

/**
 * What the adapter knows of one transaction on one connection.
 *
 * ```
 * open ──statement fails──▶ aborted ──rollback to savepoint──▶ open
 * open, aborted ──COMMIT sent──▶ committing ──answer──▶ committed   (an aborted one is rolled back)
 *                                           └─error──▶ unresolved
 * ```
 *
 * COMMIT is sent by Prisma, or goes along with the statement of the {@link LastCall}; Prisma's own is then not sent.
 *
 * PostgreSQL answers COMMIT on an aborted transaction with a silent ROLLBACK, and a connection that
 * dies while committing leaves the outcome open: both must be known to report the truth.
 */
export class TransactionState {
  /** How to reach the server while this transaction's own connection waits. */
  readonly side: SideConnection | undefined
  /** What the caller calls the transaction, for whoever is told of it. */
  label: string | undefined
  /** The backend that runs the transaction, once it is known. */
  pid: number | undefined
  /** The error of the statement that aborted the transaction, unless a savepoint undid it. */
  abortedBy: unknown
  /** What PostgreSQL said of the deadlock that it ended by aborting this transaction, where the driver tells. */
  deadlockDetail: string | undefined
  /** Set when a prepared statement failed because of what has changed since it was prepared. */
  failedByName = false
  commit: 'not sent' | 'sent' | 'done' = 'not sent'
  /** Why COMMIT failed, as {@link end} threw it: Prisma may have rewritten it since. */
  commitError: unknown
  /** Set to refuse every further statement but ROLLBACK: the transaction expired or was cancelled. */
  closedBy: Error | undefined
  /** A cancel on its way to the server; the connection must not be reused before it has landed. */
  cancelling: Promise<unknown> | undefined
  /** How the driver sends COMMIT along with a statement; undefined where it cannot. */
  sendWithCommit: SendWithCommit | undefined
  /** Why no call may commit, as whoever gave the transaction away still has something to write in it. */
  keptOpenFor: string | undefined
  /** The call with `commit: true`, from when it is made; never undefined again once COMMIT may have arrived. */
  lastCall: LastCall | undefined
  readonly #failures = new WeakSet<object>()
  readonly #savepoints = new Set<string>()
  #onEnd: (() => void)[] | undefined
  #running = 0
  #calls = 0
  /** Settled when the last call is answered. */
  #lastAnswer: Promise<void> | undefined

  constructor(side?: SideConnection) {
    this.side = side
  }

  /** Whether a statement is under way. */
  get busy(): boolean {
    return this.#running > 0
  }

  /** Whether a statement of this transaction failed with this very error. */
  failedWith(error: unknown): boolean {
    return typeof error === 'object' && error !== null && this.#failures.has(error)
  }

  /** Whether Prisma has sent COMMIT: there is nothing left to cancel, only an answer to wait for. */
  get isClosing(): boolean {
    return this.commit !== 'not sent' && this.lastCall === undefined
  }

  /** Whether the transaction was committed while `fn` was still running. */
  get committedByCall(): boolean {
    return this.commit === 'done' && this.lastCall !== undefined
  }

  /** Runs a call of the client, unless it comes behind the last one. A call may take several statements. */
  async call<T>(run: () => Promise<T>): Promise<T> {
    if (this.lastCall) throw cameBehind(this.lastCall)
    this.#calls++
    try {
      return await run()
    } finally {
      this.#calls--
    }
  }

  /**
   * Makes the call that is under way the last one.
   *
   * @throws {CommitNotSupportedError} when it cannot be.
   */
  announceLastCall(requiresRow: boolean): LastCall {
    const why = this.#whyNotLast()
    if (why !== undefined) throw new CommitNotSupportedError(`\`commit: true\` was refused and nothing was sent: ${why}.`)
    return (this.lastCall = { requiresRow, sent: false, disturbed: false, refusal: undefined })
  }

  #whyNotLast(): string | undefined {
    if (!this.sendWithCommit) return 'the driver cannot send two statements at once, as `pg` by way of `@prisma/adapter-pg` can'
    if (this.keptOpenFor !== undefined) return this.keptOpenFor
    if (this.#savepoints.size > 0) return 'a nested `$transaction` is open, and COMMIT would end the outer one too'
    if (this.#calls > 1 || this.busy) return 'other calls of the transaction are under way; await them first'
    return undefined
  }

  /** Calls `listener`, which must not throw, once: when the transaction has ended, and its locks with it. */
  onEnd(listener: () => void): void {
    ;(this.#onEnd ??= []).push(listener)
  }

  #ended(): void {
    const listeners = this.#onEnd
    this.#onEnd = undefined
    for (const listener of listeners ?? []) listener()
  }

  /** Leaves a last call that has committed nothing: the transaction is ended as ever. */
  forgetLastCall(): void {
    if (this.commit === 'not sent') this.lastCall = undefined
  }

  /** Runs a statement and remembers a failure, which aborts the whole transaction. */
  async run<T>(statement: () => Promise<T>): Promise<T> {
    if (this.closedBy) throw this.closedBy
    if (this.lastCall) throw (this.lastCall.refusal = cameBehind(this.lastCall))
    return this.#run(statement)
  }

  /** Opens a savepoint, inside which no call may commit. */
  async openSavepoint(name: string, statement: () => Promise<void>): Promise<void> {
    await this.run(statement)
    this.#savepoints.add(name)
  }

  closeSavepoint(name: string): void {
    this.#savepoints.delete(name)
  }

  async #run<T>(statement: () => Promise<T>): Promise<T> {
    this.#running++
    try {
      const result = await statement()
      // An aborted transaction answers nothing but ROLLBACK TO: a savepoint has undone the failure.
      this.abortedBy = undefined
      return result
    } catch (error) {
      // Without a SQLSTATE the error is not PostgreSQL's, and the transaction stands.
      if (errorSqlState(error) !== undefined) this.abortedBy ??= error
      if (typeof error === 'object' && error !== null) this.#failures.add(error)
      throw error
    } finally {
      this.#running--
    }
  }

  /** Runs the statement of the last call with COMMIT behind it, and remembers what became of the COMMIT. */
  runLast<T>(last: LastCall, statement: (report: CommitReport) => Promise<T>): Promise<T> {
    const answer = this.#runLast(last, statement)
    this.#lastAnswer = answer.then(ignore, ignore)
    return answer
  }

  async #runLast<T>(last: LastCall, statement: (report: CommitReport) => Promise<T>): Promise<T> {
    if (this.closedBy) throw this.closedBy
    if (last.disturbed || this.busy) throw (last.refusal = disturbed())
    last.sent = true
    this.commit = 'sent'
    const report = newCommitReport()
    try {
      const result = await this.#run(() => statement(report))
      if (report.sent && report.tag !== 'COMMIT') throw new Error(`PostgreSQL answered COMMIT with ${report.tag}.`)
      this.commit = report.sent ? 'done' : 'not sent'
      if (report.sent) this.#ended()
      return result
    } catch (error) {
      this.commit = commitAfterFailure(report, error)
      throw this.commit === 'sent' ? (this.commitError = explainFailedCommit(error)) : error
    }
  }

  /** Runs COMMIT or ROLLBACK once no cancel can hit the connection's next user; not when a call has done it. */
  async end<T>(statement: () => Promise<T>, isCommit: boolean): Promise<T | undefined> {
    await this.cancelling
    await this.#lastAnswer
    if (this.lastCall?.sent && this.commit !== 'not sent') {
      this.#ended()
      if (isCommit && this.commit === 'sent') throw this.commitError
      return undefined
    }
    if (isCommit) this.commit = 'sent'
    try {
      const result = await statement()
      if (isCommit) this.commit = 'done'
      return result
    } catch (error) {
      throw isCommit ? (this.commitError = explainFailedCommit(error)) : error
    } finally {
      this.#ended()
    }
  }
}

const ignore = () => undefined

/** Here alone is it known whether a connection died before COMMIT or in the middle of it, for every kind of transaction. */
const explainFailedCommit = (error: unknown) => explainWithCode(classifyFailedCommit(error), error)

/**
 * Of an error with a `code` Prisma keeps the code, the message and `meta`, where its own errors carry the
 * driver's.
 */
export function explainWithCode(explained: RowLockError | undefined, error: unknown): unknown {
  if (explained === undefined) return error
  return Object.defineProperty(explained, 'meta', { value: { driverAdapterError: error } })
}

/** @returns Who wants to know what becomes of the lock that the statement takes. */
type Receive = (state: TransactionState) => LockObserver | undefined

interface Registry {
  readonly awaited: Map<number, Receive>
  next: number
}

const REGISTRY = Symbol.for('rowlock.transactionStates')
const shared = globalThis as { [REGISTRY]?: Registry }
const registry: Registry = (shared[REGISTRY] ??= { awaited: new Map(), next: 0 })

const TAG_BEGINS = '/*rowlock:'
const TAG = /^\/\*rowlock:(\d+)\*\//

/**
 * Prepares a comment that, at the head of a statement, hands over the state of the transaction in which
 * the statement runs. Prisma gives its callers no other way to tell which connection is theirs.
 *
 * @param observer Told what becomes of the lock that the statement takes.
 */
export function requestTransactionState(observer?: LockObserver): {
  readonly comment: string
  take(): TransactionState | undefined
} {
  const id = registry.next++
  let received: TransactionState | undefined
  registry.awaited.set(id, (state) => {
    received = state
    return observer
  })
  return {
    comment: `/*rowlock:${id}*/`,
    take() {
      registry.awaited.delete(id)
      return received
    },
  }
}

/** Whether a statement is one of rowlock's own, with the comment of {@link requestTransactionState}. */
export const asksForTransactionState = (sql: string): boolean => sql.startsWith(TAG_BEGINS)

/** Answers a {@link requestTransactionState} comment at the head of `sql`, if there is one, and returns its observer. */
export function offerTransactionState(sql: string, state: TransactionState): LockObserver | undefined {
  if (registry.awaited.size === 0 || !asksForTransactionState(sql)) return undefined
  const id = TAG.exec(sql)?.[1]
  return id === undefined ? undefined : registry.awaited.get(Number(id))?.(state)
}
