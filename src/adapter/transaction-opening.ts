import { AsyncLocalStorage } from 'node:async_hooks'
import type { TransactionState } from './transaction-state.js'

/**
 * What a transaction is to begin with, on its way from who opens it to the adapter, which Prisma tells no
 * more than the isolation level.
 */
export interface TransactionOpening {
  /** How long each statement may wait for a lock, in milliseconds. */
  readonly lockTimeout: number
  /** What its session is to show while it runs. */
  readonly label: string | undefined
  /** Set by the adapter that has taken this over: the transaction has its limits, and this is its state. */
  state: TransactionState | undefined
  /** Set when it is too late to take it over. */
  over: boolean
}

// One storage a process: the extension and the adapter may come from two copies of this package.
const STORAGE = Symbol.for('rowlock.transactionOpenings')
const shared = globalThis as { [STORAGE]?: AsyncLocalStorage<TransactionOpening> }
const openings = (shared[STORAGE] ??= new AsyncLocalStorage())

/**
 * Runs `start`, which calls Prisma's own `$transaction`: the adapter finds the opening while it starts that
 * transaction. Prisma dispatches the queries of a tick together, from the context of the first one; each
 * transaction it starts in a chain of calls of its own. Should it not, no adapter takes the opening over.
 */
export function withTransactionOpening<R>(opening: TransactionOpening, start: () => R): R {
  return openings.run(opening, start)
}

/** The opening of the transaction that is being started. It is for one: not for those that start inside it. */
export function findTransactionOpening(): TransactionOpening | undefined {
  const opening = openings.getStore()
  return opening?.state || opening?.over ? undefined : opening
}
