import { setTimeout as sleep } from 'node:timers/promises'
import { AmbiguousCommitError, isRowLockError } from '../core/errors.js'
import { MAX_TIMEOUT } from '../core/lock-option.js'
import { runTransaction } from '../transaction/run-transaction.js'
import { keepingOpen, transactionStateOf } from '../transaction/open-transactions.js'
import type { RawQueryClient, TransactionalClient } from '../transaction/transaction-client.js'
import { type GrantedLock, type HoldResult, lockLost } from './create-locker.js'
import { connectionLimit, type HoldLimits } from './hold-limits.js'
import { keepAlive } from './keep-alive.js'
import type { LockWait } from './lock-wait.js'

/** A lock that is a transaction: `run` works in it, and its end is the lock's. */
export interface TransactionLock<Tx> {
  /**
   * The transaction that holds the lock. What is written through it is committed together with the release,
   * and rolled back when `run` throws. A statement of it that PostgreSQL refuses ends the transaction, and so
   * the lock: let its error out of `run`.
   */
  readonly tx: Tx
}

/** Takes the lock in the transaction, waiting for at most `timeout` milliseconds unless `nowait` is set. */
export type TakeInTransaction<Tx> = (tx: Tx, how: { readonly nowait: boolean; readonly timeout: number }) => Promise<void>

// Never leaves this file: Prisma rolls back what throws.
const ROLLBACK = new Error('The transaction is rolled back, as `run` failed.')
// In milliseconds: what COMMIT or ROLLBACK may take beyond `maxHold`.
const ANSWER_GRACE = 2_000

/** Opens a transaction, takes a lock in it, and holds it open until it is released. */
export async function holdTransaction<Tx extends RawQueryClient>(
  client: TransactionalClient,
  wait: LockWait,
  limits: HoldLimits,
  take: TakeInTransaction<Tx>,
): Promise<GrantedLock<TransactionLock<Tx>>> {
  const hold = new TransactionHold<Tx>(wait, limits)
  await hold.open(client, take)
  return hold
}

/**
 * ```
 * waiting ──granted──▶ held ──release──▶ committing, rolling back ──▶ over
 *    └──aborted──▶ over  └──lost: its session died, or maxHold is over──▶ rolled back
 * ```
 */
class TransactionHold<Tx extends RawQueryClient> implements GrantedLock<TransactionLock<Tx>> {
  readonly #wait: LockWait
  readonly #limits: HoldLimits
  /** Ends the transaction early. */
  readonly #end = new AbortController()
  readonly #lost = new AbortController()
  readonly #tx = deferred<Tx>()
  readonly #result = deferred<HoldResult>()
  #transaction: Promise<void> | undefined
  #stopKeepAlive: (() => void) | undefined
  #maxHold: NodeJS.Timeout | undefined
  #heldUntil = 0
  declare extra: TransactionLock<Tx>

  constructor(wait: LockWait, limits: HoldLimits) {
    this.#wait = wait
    this.#limits = limits
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  async open(client: TransactionalClient, take: TakeInTransaction<Tx>): Promise<void> {
    const { signal } = this.#wait
    const onAbort = () => this.#end.abort(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      this.#transaction = this.#run(client, async (tx: Tx) => {
        await this.#take(tx, take)
        // The transaction of a caller that has left is rolled back, also when the lock has just been granted.
        this.#end.signal.throwIfAborted()
        // The caller waits no longer: from here on the signal is only passed on to `run`.
        signal?.removeEventListener('abort', onAbort)
        this.#start(tx)
        if ((await keepingOpen(tx, 'the lock would be released with it', () => this.#result.promise)) === 'failed') throw ROLLBACK
      })
      this.#transaction.catch(() => undefined)
      await Promise.race([this.#tx.promise, this.#transaction])
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** @throws {AmbiguousCommitError} when nobody knows whether the work of `run` was committed. */
  async release(result: HoldResult): Promise<void> {
    this.#stop()
    this.#result.resolve(result)
    const answered = new AbortController()
    try {
      await Promise.race([this.#transaction, this.#unanswered(answered.signal)])
    } catch (error) {
      if (error === ROLLBACK || this.lost.aborted) return
      if (!isRowLockError(error) || error.code !== 'CONNECTION_LOST') throw error
      this.#lost.abort(lockLost(this.#wait.key, 'its session is gone', error))
    } finally {
      answered.abort()
    }
  }

  #run(client: TransactionalClient, fn: (tx: Tx) => Promise<void>): Promise<void> {
    const { maxHold } = this.#limits
    return runTransaction(client, fn, {
      // The wait and the hold have limits of their own, which end the transaction by the signal.
      timeout: MAX_TIMEOUT,
      lockTimeout: maxHold,
      maxWait: connectionLimit(this.#wait, this.#limits),
      signal: this.#end.signal,
      retry: false,
    })
  }

  async #take(tx: Tx, take: TakeInTransaction<Tx>): Promise<void> {
    const { nowait, remaining } = this.#wait
    try {
      await take(tx, { nowait, timeout: remaining ?? MAX_TIMEOUT })
    } catch (error) {
      throw isRowLockError(error) ? this.#nameKey(error) : error
    }
  }

  #nameKey(error: { readonly code: string }): unknown {
    if (error.code === 'LOCK_NOT_AVAILABLE') return this.#wait.refusal(error)
    if (error.code === 'LOCK_TIMEOUT') return this.#wait.expired(error)
    return error
  }

  #start(tx: Tx): void {
    const { maxHold } = this.#limits
    this.extra = { tx }
    this.#heldUntil = performance.now() + maxHold
    this.#maxHold = setTimeout(() => this.#lose(`it was held for longer than maxHold (${maxHold} ms)`), maxHold)
    this.#stopKeepAlive = keepAlive(
      () => (transactionStateOf(tx)?.busy ? undefined : tx.$queryRawUnsafe('SELECT 1')),
      (why, cause) => this.#lose(why, cause),
    )
    this.#tx.resolve(tx)
  }

  #stop(): void {
    this.#stopKeepAlive?.()
    clearTimeout(this.#maxHold)
  }

  #lose(why: string, cause?: unknown): void {
    this.#stop()
    const reason = lockLost(this.#wait.key, why, cause)
    this.#lost.abort(reason)
    this.#end.abort(reason)
  }

  /** A server that can no longer be reached answers no COMMIT, and must not hold up the caller for ever. */
  async #unanswered(signal: AbortSignal): Promise<void> {
    const left = Math.max(0, this.#heldUntil - performance.now()) + ANSWER_GRACE
    await sleep(Math.min(left, MAX_TIMEOUT), undefined, { signal })
    throw new AmbiguousCommitError('The COMMIT that releases the lock was not answered in time: look up what was written through `tx`.', {
      key: this.#wait.key,
    })
  }
}

interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
}

/** Promise.withResolvers, which Node 20 does not have. */
function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((settle) => (resolve = settle))
  return { promise, resolve }
}
