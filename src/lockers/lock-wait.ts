import { describeKey } from '../core/classify-error.js'
import { InvalidOptionError, isRowLockError, LockNotAvailableError, LockTimeoutError, type RowLockErrorDetails } from '../core/errors.js'
import { parseTimeout } from '../core/lock-option.js'
import { assertSignal, parseFlag, readOptions } from '../core/option-checks.js'
import type { LockerOptions } from './locker.js'

/** One caller's wait for one lock: how it wants it, and how long it is ready to wait. */
export class LockWait implements Disposable {
  readonly key: string
  readonly shared: boolean
  readonly nowait: boolean
  /** Aborted with the error that the caller gets, when the wait is to end; undefined when nothing can end it. */
  readonly signal: AbortSignal | undefined
  /** The caller's own signal, which also ends what is done under the lock. */
  readonly callersSignal: AbortSignal | undefined
  readonly #timeout: number | undefined
  readonly #deadline: number | undefined
  readonly #timer: NodeJS.Timeout | undefined

  /** @throws {InvalidOptionError} when the key or an option is not allowed. */
  constructor(key: string, options: LockerOptions = {}) {
    assertKey(key)
    options = readOptions(options, ['shared', 'nowait', 'timeout', 'signal'], 'options')
    const timeout = options.timeout === undefined ? undefined : parseTimeout(options.timeout, 'timeout')
    assertSignal(options.signal, 'signal')
    this.key = key
    this.shared = parseFlag(options.shared, 'shared')
    this.nowait = parseFlag(options.nowait, 'nowait')
    if (this.nowait && timeout !== undefined) {
      throw new InvalidOptionError('timeout', timeout, 'left out with `nowait`, which never waits')
    }
    this.callersSignal = options.signal
    this.signal = options.signal
    if (timeout === undefined) return

    const expiry = new AbortController()
    this.#timeout = timeout
    this.#deadline = performance.now() + timeout
    this.#timer = setTimeout(() => expiry.abort(this.expired()), timeout)
    this.signal = options.signal ? AbortSignal.any([options.signal, expiry.signal]) : expiry.signal
  }

  /** How many milliseconds are left, at least 1; undefined when the caller waits for as long as it takes. */
  get remaining(): number | undefined {
    return this.#deadline === undefined ? undefined : Math.max(1, Math.ceil(this.#deadline - performance.now()))
  }

  /** What a caller with `nowait` gets when the lock is not free. */
  refusal(cause?: unknown): LockNotAvailableError {
    return new LockNotAvailableError(
      `The lock${describeKey(this.key)} is held, and the call asked not to wait for it.`,
      this.#details(cause),
    )
  }

  /** What a caller gets whose time is over. */
  expired(cause?: unknown): LockTimeoutError {
    const within = this.#timeout === undefined ? 'in time' : `within ${this.#timeout} ms`
    return new LockTimeoutError(`The lock${describeKey(this.key)} was not granted ${within}.`, this.#details(cause))
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }

  /** Who holds the lock is known to the cause, where it is known at all. */
  #details(cause: unknown): RowLockErrorDetails {
    const { sqlState, blockers } = isRowLockError(cause) ? cause : {}
    return { key: this.key, cause, sqlState, blockers }
  }
}

function assertKey(key: unknown): void {
  if (typeof key !== 'string' || key.length === 0) throw new InvalidOptionError('key', key, 'a string of at least one character')
}
