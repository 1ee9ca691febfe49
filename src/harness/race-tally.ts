import { performance } from 'node:perf_hooks'
import { errorKey } from './describe-error.js'
import type { RaceErrorSample, RaceProgress, RaceResult } from './race-result.js'
import { summarizeLatency } from './summarize-latency.js'

/** One request changed its state; `latency` is milliseconds from start to settlement. */
export type RaceEvent<Value = unknown> =
  | { readonly type: 'started'; readonly index: number }
  | { readonly type: 'fulfilled'; readonly index: number; readonly latency: number; readonly value: Value }
  | {
      readonly type: 'rejected'
      readonly index: number
      readonly latency: number
      readonly error: RaceErrorSample
    }

/** Adds up the events of a race; `result()` may be asked for at any time. */
export class RaceTally<Value> {
  readonly #requests: number
  readonly #concurrency: number
  readonly #startedAt = new Map<number, number>()
  readonly #values = new Map<number, Value>()
  readonly #latencies: number[] = []
  readonly #errors = new Map<string, { count: number; sample: RaceErrorSample }>()
  #started = 0
  #rejected = 0
  #releasedAt: number | undefined
  #settledAt = 0

  constructor(requests: number, concurrency: number) {
    this.#requests = requests
    this.#concurrency = concurrency
  }

  /** Starts the clock of `duration`. */
  release(): void {
    this.#releasedAt = performance.now()
  }

  record(event: RaceEvent<Value>): void {
    if (event.type === 'started') {
      this.#started++
      this.#startedAt.set(event.index, performance.now())
      return
    }
    this.#startedAt.delete(event.index)
    this.#settledAt = performance.now()
    this.#latencies.push(event.latency)
    if (event.type === 'fulfilled') this.#values.set(event.index, event.value)
    else this.#countError(event.error)
  }

  progress(): RaceProgress {
    return {
      requests: this.#requests,
      started: this.#started,
      fulfilled: this.#values.size,
      rejected: this.#rejected,
    }
  }

  result(): RaceResult<Value> {
    const { requests, started, fulfilled, rejected } = this.progress()
    const now = performance.now()
    const latency = summarizeLatency(this.#latencies)
    const waiting = [...this.#startedAt.values()].map((startedAt) => now - startedAt)
    const settled = fulfilled + rejected === requests
    const errors = [...this.#errors]
    return {
      requests,
      concurrency: this.#concurrency,
      fulfilled,
      rejected,
      unsettled: started - fulfilled - rejected,
      notStarted: requests - started,
      values: [...this.#values].sort(([a], [b]) => a - b).map(([, value]) => value),
      errors: Object.fromEntries(errors.map(([key, { count }]) => [key, count])),
      errorSamples: Object.fromEntries(errors.map(([key, { sample }]) => [key, sample])),
      latency,
      longestWait: summarizeLatency([...waiting, Number.isNaN(latency.max) ? 0 : latency.max]).max,
      duration: this.#releasedAt === undefined ? 0 : (settled ? this.#settledAt : now) - this.#releasedAt,
    }
  }

  #countError(sample: RaceErrorSample): void {
    this.#rejected++
    const known = this.#errors.get(errorKey(sample))
    if (known === undefined) this.#errors.set(errorKey(sample), { count: 1, sample })
    else known.count++
  }
}
