/** One error of a race, as plain data that also crosses a process boundary. */
export interface RaceErrorSample {
  /** The request that failed first with this error. */
  readonly index: number
  /** The error's name, `PrismaClientKnownRequestError`. */
  readonly name: string
  /** The error's `code` as text (`LOCK_TIMEOUT`, `P2034`), or undefined when it has none. */
  readonly code: string | undefined
  /** The error's message. */
  readonly message: string
  /** What was thrown; undefined when it was thrown in another process. */
  readonly error?: unknown
}

/** How long the settled requests took from start to settlement, in milliseconds; NaN when none settled. */
export interface RaceLatency {
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly max: number
}

/** How far a race has come. */
export interface RaceProgress {
  readonly requests: number
  readonly started: number
  readonly fulfilled: number
  readonly rejected: number
}

/**
 * What happened in a race. `fulfilled + rejected + unsettled + notStarted` is always `requests`; the
 * last two are 0 unless the race was ended early, and then the result stands in the error's `result`.
 */
export interface RaceResult<Value = unknown> {
  readonly requests: number
  /** The most requests that were in flight at a time. */
  readonly concurrency: number
  readonly fulfilled: number
  readonly rejected: number
  /** Started, and neither fulfilled nor rejected when the race ended: their effect is unknown. */
  readonly unsettled: number
  /** Never begun, as the race was ended before. */
  readonly notStarted: number
  /** The values of the fulfilled requests, in the order of their index. */
  readonly values: readonly Value[]
  /** How often each error was thrown: by its `code`, or by its name when it has no code. */
  readonly errors: Readonly<Record<string, number>>
  /** The first error of each key of `errors`. */
  readonly errorSamples: Readonly<Record<string, RaceErrorSample>>
  readonly latency: RaceLatency
  /**
   * The longest time any request kept its caller waiting, in milliseconds. Unlike `latency.max` it
   * counts the unsettled requests too, up to the end of the race; 0 when none started.
   */
  readonly longestWait: number
  /** From the barrier's release to the last settlement, or to the early end, in milliseconds. */
  readonly duration: number
}
