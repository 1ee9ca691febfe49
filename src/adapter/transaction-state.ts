import { classifyFailedCommit } from '../core/classify-error.js'
import { errorSqlState } from '../core/error-sql-state.js'
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
 * PostgreSQL answers COMMIT on an aborted transaction with a silent ROLLBACK, and a connection that
 * dies while committing leaves the outcome open: both must be known to report the truth.
 */
export class TransactionState {
  /** How to reach the server while this transaction's own connection waits. */
  readonly side: SideConnection | undefined
  /** The backend that runs the transaction, once it is known. */
  pid: number | undefined
  /** The error of the statement that aborted the transaction, unless a savepoint undid it. */
  abortedBy: unknown
  /** Set when a prepared statement failed because of what has changed since it was prepared. */
  failedByName = false
  commit: 'not sent' | 'sent' | 'done' = 'not sent'
  /** Why COMMIT failed, as {@link end} threw it: Prisma may have rewritten it since. */
  commitError: unknown
  /** Set to refuse every further statement but ROLLBACK: the transaction expired or was cancelled. */
  closedBy: Error | undefined
  /** A cancel on its way to the server; the connection must not be reused before it has landed. */
  cancelling: Promise<unknown> | undefined
  readonly #failures = new WeakSet<object>()
  #running = 0

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

  /** Runs a statement and remembers a failure, which aborts the whole transaction. */
  async run<T>(statement: () => Promise<T>): Promise<T> {
    if (this.closedBy) throw this.closedBy
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

  /** Runs COMMIT or ROLLBACK once no cancel can hit the connection's next user. */
  async end<T>(statement: () => Promise<T>, isCommit: boolean): Promise<T> {
    await this.cancelling
    if (!isCommit) return statement()
    this.commit = 'sent'
    try {
      const result = await statement()
      this.commit = 'done'
      return result
    } catch (error) {
      this.commitError = explainFailedCommit(error)
      throw this.commitError
    }
  }
}

/**
 * Here alone is it known whether a connection died before COMMIT or in the middle of it, for every
 * kind of transaction. Of an error with a `code` Prisma keeps the code, the message and `meta`, where
 * its own errors carry the driver's.
 */
function explainFailedCommit(error: unknown): unknown {
  const explained = classifyFailedCommit(error)
  if (explained === undefined) return error
  return Object.defineProperty(explained, 'meta', { value: { driverAdapterError: error } })
}

interface Registry {
  readonly awaited: Map<number, (state: TransactionState) => void>
  next: number
}

const REGISTRY = Symbol.for('rowlock.transactionStates')
const shared = globalThis as { [REGISTRY]?: Registry }
const registry: Registry = (shared[REGISTRY] ??= { awaited: new Map(), next: 0 })

const TAG = /^\/\*rowlock:(\d+)\*\//

/**
 * Prepares a comment that, at the head of a statement, hands over the state of the transaction in which
 * the statement runs. Prisma gives its callers no other way to tell which connection is theirs.
 */
export function requestTransactionState(): { readonly comment: string; take(): TransactionState | undefined } {
  const id = registry.next++
  let received: TransactionState | undefined
  registry.awaited.set(id, (state) => {
    received = state
  })
  return {
    comment: `/*rowlock:${id}*/`,
    take() {
      registry.awaited.delete(id)
      return received
    },
  }
}

/** Answers a {@link requestTransactionState} comment at the head of `sql`, if there is one. */
export function offerTransactionState(sql: string, state: TransactionState): void {
  if (registry.awaited.size === 0 || !sql.startsWith('/*rowlock:')) return
  const id = TAG.exec(sql)?.[1]
  if (id !== undefined) registry.awaited.get(Number(id))?.(state)
}
