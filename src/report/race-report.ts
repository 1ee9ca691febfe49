/** What a race came to, and what it should have come to. */
export interface RaceReport {
  /** Where it ran. */
  readonly database: string
  readonly processes: number
  readonly requests: number
  readonly concurrency: number
  readonly fulfilled: number
  readonly rejected: number
  readonly unsettled: number
  readonly notStarted: number
  /** What the requests that succeeded returned. */
  readonly values: readonly unknown[]
  /** How many requests failed with each error, by its code or else its name. */
  readonly errors: Readonly<Record<string, number>>
  readonly errorSamples: Readonly<Record<string, RaceReportError>>
  /** In milliseconds; NaN where no request was answered. */
  readonly latency: { readonly p50: number; readonly p95: number; readonly p99: number; readonly max: number }
  /** In milliseconds. */
  readonly duration: number
  /** How many were to succeed; undefined when nobody said. */
  readonly expected: number | undefined
  /** Why the race ended early, in a sentence; undefined when it did not. */
  readonly ended: string | undefined
}

export interface RaceReportError {
  /** The request that failed first with it. */
  readonly index: number
  readonly name: string
  readonly message: string
}

/** Whether a race came to what it should have, and how to say so. */
export interface RaceVerdict {
  readonly ok: boolean
  readonly sentence: string
}

/** A race that ended early is never right: what its last requests did is unknown. */
export function judgeRace({ ended, expected, fulfilled, requests }: RaceReport): RaceVerdict {
  if (ended !== undefined) return { ok: false, sentence: ended }
  const succeeded = `${fulfilled} of ${requests} requests succeeded`
  if (expected === undefined) return { ok: true, sentence: `${succeeded}.` }
  if (fulfilled === expected) return { ok: true, sentence: `${succeeded}, as expected.` }
  return { ok: false, sentence: `${succeeded}; expected were exactly ${expected}.` }
}
