import { setMaxListeners } from 'node:events'
import { RaceAbortedError, RaceDeadlineError } from './race-errors.js'
import type { RaceLimits } from './race-options.js'
import type { RaceResult } from './race-result.js'

type ToError = (result: RaceResult) => unknown

/**
 * The one reason why a race ends early. States: open -> stopped (the first of: caller's signal,
 * deadline, failure; later ones are ignored); either -> closed, without timer or listener.
 */
export class RaceStop {
  readonly #controller = new AbortController()
  readonly #limits: RaceLimits
  readonly #timer: NodeJS.Timeout | undefined
  #toError: ToError | undefined

  constructor(limits: RaceLimits) {
    this.#limits = limits
    // Thousands of requests listen to this one signal; Node warns of a leak from the eleventh.
    setMaxListeners(0, this.#controller.signal)
    const { signal, deadline } = limits
    if (signal?.aborted === true) this.#onAbort()
    else signal?.addEventListener('abort', this.#onAbort)
    if (deadline !== undefined) this.#timer = setTimeout(() => this.#onDeadline(deadline), deadline)
  }

  /** What the requests are given: aborts when the race ends early, for whatever reason. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get stopped(): boolean {
    return this.#toError !== undefined
  }

  /** Ends the race with the error that `toError` makes of what had happened by then. */
  fail(toError: ToError, reason?: unknown): void {
    if (this.stopped) return
    this.#toError = toError
    this.#controller.abort(reason)
  }

  /** Settles as `work()` does, or rejects as soon as the race is stopped; then `work` is not begun. */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    this.signal.throwIfAborted()
    let stop: () => void
    const stopped = new Promise<never>((_, reject) => {
      stop = () => reject(this.signal.reason)
      this.signal.addEventListener('abort', stop)
    })
    try {
      return await Promise.race([work(), stopped])
    } finally {
      this.signal.removeEventListener('abort', stop!)
    }
  }

  /** Throws the error of an early end; does nothing when there was none. */
  throwIfStopped(result: RaceResult): void {
    if (this.#toError !== undefined) throw this.#toError(result)
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#limits.signal?.removeEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = (): void => {
    const reason: unknown = this.#limits.signal?.reason
    this.fail((result) => new RaceAbortedError(reason, result), reason)
  }

  #onDeadline(deadline: number): void {
    const reason = new DOMException(`The race's deadline of ${deadline} ms has passed.`, 'TimeoutError')
    this.fail((result) => new RaceDeadlineError(deadline, result), reason)
  }
}
