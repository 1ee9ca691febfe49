import { AsyncLocalStorage } from 'node:async_hooks'
import { describeKey } from '../core/classify-error.js'
import { LockLostError, ReentrantLockError } from '../core/errors.js'
import { KeyedSemaphore, type Release } from '../core/keyed-semaphore.js'
import { assertFunction } from '../core/option-checks.js'
import { LockWait } from './lock-wait.js'
import type { HeldLock, Locker, LockerOptions } from './locker.js'

/** How `run` ended. A lock that is a transaction commits its work, or rolls it back. */
export type HoldResult = 'done' | 'failed'

/** A lock that a {@link LockSource} has granted. */
export interface GrantedLock<Extra extends object = object> {
  readonly fencingToken?: bigint
  /** Aborted when the lock is lost, with the reason; undefined for a lock that cannot be lost. */
  readonly lost?: AbortSignal
  /** What `run` gets of the lock beyond {@link HeldLock}. */
  readonly extra?: Extra
  release(result: HoldResult): Promise<void>
}

/** Where a locker's locks come from: what keeps this process apart from others. */
export interface LockSource<Extra extends object = object> {
  /**
   * Takes the lock. No other caller of the same locker in this process holds it, unless all share it.
   *
   * @throws `wait.signal.reason` when the wait ends; `wait.refusal()` when it must not wait.
   */
  take(wait: LockWait): Promise<GrantedLock<Extra>>
}

interface Scope {
  /** The queue of the locker. */
  readonly queue: KeyedSemaphore
  readonly key: string
  readonly outer: Scope | undefined
  open: boolean
}

interface Grant<Extra extends object> {
  readonly callersSignal: AbortSignal | undefined
  readonly granted: GrantedLock<Extra>
  readonly leave: Release
}

// One for all lockers: Node has every promise of the process pass each storage that was ever used.
const scopes = new AsyncLocalStorage<Scope>()

// More than there can be holders: an exclusive one takes them all.
const EVERYONE = Number.MAX_SAFE_INTEGER

/**
 * Makes a locker of a source. Callers of this process queue here first, in order and by key, so that at
 * most one of them (or any number that share) is asking the source, however many wait.
 */
export function createLocker<Extra extends object = object>(source: LockSource<Extra>): Locker<HeldLock & Extra> {
  const queue = new KeyedSemaphore(EVERYONE)

  async function take(key: string, options: LockerOptions | undefined): Promise<Grant<Extra>> {
    using wait = new LockWait(key, options)
    wait.signal?.throwIfAborted()
    if (isInside(queue, key, scopes.getStore())) throw reentrant(key)
    const leave = await queueUp(wait)
    try {
      wait.signal?.throwIfAborted()
      return { granted: await source.take(wait), leave, callersSignal: wait.callersSignal }
    } catch (error) {
      leave()
      throw error
    }
  }

  async function queueUp(wait: LockWait): Promise<Release> {
    const permits = wait.shared ? 1 : EVERYONE
    if (!wait.nowait) return queue.acquire(wait.key, permits, wait.signal)
    const leave = queue.tryAcquire(wait.key, permits)
    if (!leave) throw wait.refusal()
    return leave
  }

  return {
    async acquire(key, options) {
      const { granted, leave, callersSignal } = await take(key, options)
      return new Hold(key, granted, leave, callersSignal)
    },

    async withLock(key, run, options) {
      assertFunction(run, 'run')
      const { granted, leave, callersSignal } = await take(key, options)
      const held = new Hold(key, granted, leave, callersSignal)
      const scope: Scope = { queue, key, outer: scopes.getStore(), open: true }
      try {
        const result = await scopes.run(scope, async () => run(Object.assign(held, granted.extra)))
        granted.lost?.throwIfAborted()
        await held.release()
        // Giving it back may be how the source learns that it was not held any more.
        granted.lost?.throwIfAborted()
        return result
      } catch (error) {
        // What went wrong first is what the caller must hear of.
        await held.end('failed').catch(() => undefined)
        throw error
      } finally {
        scope.open = false
      }
    },
  }
}

class Hold implements HeldLock {
  readonly key: string
  declare readonly fencingToken?: bigint
  readonly signal: AbortSignal
  readonly #granted: GrantedLock
  readonly #leave: Release
  #ended: Promise<void> | undefined

  constructor(key: string, granted: GrantedLock, leave: Release, callers: AbortSignal | undefined) {
    this.key = key
    if (granted.fencingToken !== undefined) this.fencingToken = granted.fencingToken
    this.signal = eitherOf(granted.lost, callers)
    this.#granted = granted
    this.#leave = leave
  }

  release(): Promise<void> {
    return this.end('done')
  }

  /** Only the first call counts: a lock is given back once. */
  end(result: HoldResult): Promise<void> {
    this.#ended ??= this.#granted.release(result).finally(this.#leave)
    return this.#ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }
}

const never = new AbortController().signal

function eitherOf(lost: AbortSignal | undefined, callers: AbortSignal | undefined): AbortSignal {
  return lost && callers ? AbortSignal.any([lost, callers]) : (lost ?? callers ?? never)
}

/** A task that `run` left behind keeps its scopes, which may be over. */
function isInside(queue: KeyedSemaphore, key: string, scope: Scope | undefined): boolean {
  if (scope === undefined) return false
  return (scope.open && scope.queue === queue && scope.key === key) || isInside(queue, key, scope.outer)
}

function reentrant(key: string): ReentrantLockError {
  return new ReentrantLockError(
    `The lock${describeKey(key)} was asked for by the code that holds it, which would wait for itself; ` +
      'pass the held lock on instead of taking it again.',
    { key },
  )
}

/** The reason with which a source aborts `lost`. */
export function lockLost(key: string, why: string, cause?: unknown): LockLostError {
  return new LockLostError(`The lock${describeKey(key)} was lost: ${why}. Another holder may be at work.`, { key, cause })
}
