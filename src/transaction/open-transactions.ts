import type { TransactionState } from '../adapter/transaction-state.js'
import { transactionIdOf } from './transaction-client.js'

/** The states of the transactions that {@link runTransaction} has open, by the ids that Prisma gives them. */
const states = new Map<string, TransactionState>()

/** What the adapter knows of the open transaction with this id, if it is one of `$transactionWithRetry`. */
export function findTransactionState(id: string | undefined): TransactionState | undefined {
  return id === undefined ? undefined : states.get(id)
}

/** What the adapter knows of the transaction that `fn` got as `tx`, while it is open. */
export function transactionStateOf(tx: object): TransactionState | undefined {
  return findTransactionState(transactionIdOf(tx))
}

/** @returns How to forget it. */
export function rememberTransactionState(tx: object, state: TransactionState): () => void {
  const id = transactionIdOf(tx)
  if (id === undefined) return () => undefined
  states.set(id, state)
  return () => void states.delete(id)
}

/**
 * Runs `work`, in which no call on `tx` may commit: whoever calls this still has something to write there.
 *
 * @param why The end of a sentence, for who tries.
 */
export async function keepingOpen<R>(tx: object, why: string, work: () => Promise<R>): Promise<R> {
  const state = transactionStateOf(tx)
  if (!state) return work()
  const before = state.keptOpenFor
  state.keptOpenFor = why
  try {
    return await work()
  } finally {
    state.keptOpenFor = before
  }
}
