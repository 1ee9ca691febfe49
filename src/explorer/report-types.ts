import type { HistoryEvent } from './history.js'

/** How much of all schedules a verdict rests on. */
export type Coverage =
  | { readonly kind: 'complete' }
  /** The one schedule of a token. */
  | { readonly kind: 'replayed' }
  /** Every schedule with at most this many preemptions. */
  | { readonly kind: 'bounded'; readonly preemptions: number }
  /** Every schedule with at most `preemptions`, and `schedules` random ones of the seed. */
  | { readonly kind: 'sampled'; readonly seed: number; readonly schedules: number; readonly preemptions: number }

export interface ExploreCounts {
  /** Schedules that ran to their end. */
  readonly schedules: number
  /** How many of them had a statement that waited for a lock. */
  readonly blocked: number
  readonly deadlocked: number
  /** How many had an operation that went on after a deadlock or serialization failure. */
  readonly retried: number
  /** Different combinations of final rows and outcomes. */
  readonly outcomes: number
  readonly schedulesPerSecond: number
  /** Milliseconds, all told. */
  readonly duration: number
}

/** The smallest schedule found that breaks the invariant. */
export interface Counterexample {
  /** The actors' names; `actor` numbers in `events` count into them. */
  readonly actors: readonly string[]
  readonly events: readonly HistoryEvent[]
  readonly preemptions: number
  /** What was broken: the invariant's own words, or how the final state differs from every serial order. */
  readonly reason: string
  readonly expected: string | undefined
  readonly actual: string | undefined
  readonly outcomes: readonly { readonly actor: string; readonly status: 'fulfilled' | 'rejected'; readonly text: string }[]
  readonly anomaly: Anomaly
}

/** A standard name for what went wrong, and what it hangs on. */
export interface Anomaly {
  /** `lost update (P4)`, `write skew (G2-item)`, `double insert`, `deadlock` … */
  readonly name: string
  /** One sentence: which read or write it hangs on. */
  readonly sentence: string
  /** The lock or constraint that would prevent it. */
  readonly prevention: string
  /** The steps that it is made of. */
  readonly steps: readonly number[]
}

interface Common {
  readonly counts: ExploreCounts
  readonly warnings: readonly string[]
  readonly actors: readonly string[]
}

/** The facts of an exploration, without its methods: what the renderers take. */
export type ExploreFacts =
  | (Common & { readonly verdict: 'held'; readonly coverage: Coverage })
  | (Common & { readonly verdict: 'violated'; readonly counterexample: Counterexample; readonly token: string })
  | (Common & {
      readonly verdict: 'nondeterministic'
      readonly step: number
      readonly first: string
      readonly second: string
      readonly token: string
    })
  | (Common & { readonly verdict: 'exhausted'; readonly reason: string; readonly coverage: Coverage | undefined })
