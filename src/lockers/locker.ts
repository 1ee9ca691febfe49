/** How to wait for a lock. `nowait` and `timeout` exclude each other. */
export interface LockerOptions {
  /** Take the lock together with other `shared` holders. Default: false, exclusive. */
  readonly shared?: boolean
  /** Fail at once when the lock is not free. Default: false. */
  readonly nowait?: boolean
  /** Wait for at most this many milliseconds, from 1. Default: until the lock is free. */
  readonly timeout?: number
  /**
   * Ends the wait when aborted. Aborted while the lock is held it aborts the `signal` of the
   * {@link HeldLock}; the lock stays held until it is released. Default: none.
   */
  readonly signal?: AbortSignal
}

/** A lock that is held until it is released, or lost. */
export interface HeldLock extends AsyncDisposable {
  readonly key: string
  /** Grows with every exclusive grant of the key; to be sent with each write, which refuses an older one. Leases and Redis only. */
  readonly fencingToken?: bigint
  /** Aborted when the lock is lost, with a `LockLostError`, or when the caller's own signal is aborted, with its reason. */
  readonly signal: AbortSignal
  /** Gives the lock back. Further calls wait for the first one and do nothing. */
  release(): Promise<void>
}

/**
 * Mutual exclusion by key: at most one holder of a key at a time, or any number of `shared` ones. Callers
 * of one locker are served in the order in which they came; callers of different keys never wait for each
 * other.
 */
export interface Locker<Held extends HeldLock = HeldLock> {
  /**
   * Waits for the lock, runs `run`, releases the lock, and returns what `run` returned.
   *
   * @param key At least one character.
   * @throws {LockNotAvailableError} with `nowait`, when the lock is not free.
   * @throws {LockTimeoutError} when the lock was not free within `timeout`.
   * @throws {ReentrantLockError} inside a `run` of the same locker and key, which would wait for itself.
   * @throws {LockLostError} when `run` succeeded and the lock was lost meanwhile.
   * @throws {InvalidOptionError} for a key or option that is not allowed; nothing was taken.
   * @throws The signal's reason when `signal` is aborted before the lock is granted, and whatever `run` throws.
   */
  withLock<T>(key: string, run: (held: Held) => Promise<T>, options?: LockerOptions): Promise<T>

  /**
   * Waits for the lock and returns it; the caller releases it, best with `await using`.
   *
   * @throws As {@link withLock} does before it runs.
   */
  acquire(key: string, options?: LockerOptions): Promise<HeldLock>
}
