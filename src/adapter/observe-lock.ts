import type { SqlQuery, SqlResultSet } from './driver-adapter.js'
import type { LockObserver, SeenWait } from './lock-observer.js'
import type { LockWatch } from './lock-watch.js'
import type { TransactionState } from './transaction-state.js'

/** The transaction that a lock is taken in. */
export interface ObservedTransaction {
  readonly state: TransactionState
  /** Undefined where the server cannot be asked beside the pool. */
  readonly watch: LockWatch | undefined
  /** The backend that runs the transaction, as far as it is known yet. */
  readonly pid: () => number | undefined
}

type Send = (query: SqlQuery) => Promise<SqlResultSet>

/** Runs `lock`, which takes a lock by the statements that it sends by what it is given, under the eyes of `observer`. */
export async function observeLock(
  { state, watch, pid }: ObservedTransaction,
  observer: LockObserver,
  send: Send,
  lock: (send: Send) => Promise<SqlResultSet>,
): Promise<SqlResultSet> {
  const begun = performance.now()
  const waits: SeenWait[] = []
  const sendWatched: Send = async (query) => {
    const stop = watch?.watch({ sql: query.sql, pid, observer })
    try {
      return await send(query)
    } finally {
      const wait = stop?.()
      if (wait) waits.push(wait)
    }
  }
  try {
    const result = await lock(sendWatched)
    const granted = performance.now()
    if (observer.granted(result, granted - begun, together(waits))) state.onEnd(() => observer.released(performance.now() - granted))
    return result
  } catch (error) {
    observer.failed(together(waits))
    throw error
  }
}

/** A lock may take several statements. */
function together(waits: readonly SeenWait[]): SeenWait | undefined {
  const [first, ...more] = waits
  return first && { ...first, waited: more.reduce((sum, { waited }) => sum + waited, first.waited) }
}
