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

/** How much has run. */
export interface ExploreCounts {
  /** Schedules that ran to their end. */
  readonly schedules: number
  /** How many of them had a statement that waited for a lock. */
  readonly blocked: number
  /** How many of them had a deadlock. */
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
  /** What happened, in order. */
  readonly events: readonly HistoryEvent[]
  /** How often an actor was left in the middle of its operation, though it could have gone on. */
  readonly preemptions: number
  /** What was broken: the invariant's own words, or how the final state differs from every serial order. */
  readonly reason: string
  /** What the invariant's error expected, or what the nearest serial order leaves that this one does not. */
  readonly expected: string | undefined
  /** What the invariant's error found, or what this order leaves that the nearest serial one does not. */
  readonly actual: string | undefined
  /** How each actor's operation ended. */
  readonly outcomes: readonly { readonly actor: string; readonly status: 'fulfilled' | 'rejected'; readonly text: string }[]
  /** What it is called, and what prevents it. */
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

/** What comes with every verdict. */
export interface ExploreSummary {
  /** How much has run. */
  readonly counts: ExploreCounts
  /** What makes the verdict worth less than it looks, a sentence each. */
  readonly warnings: readonly string[]
  /** The actors' names, as in the options. */
  readonly actors: readonly string[]
}

/** The facts of an exploration, without its methods: what the renderers take. */
export type ExploreFacts =
  | (ExploreSummary & { readonly verdict: 'held'; readonly coverage: Coverage })
  | (ExploreSummary & { readonly verdict: 'violated'; readonly counterexample: Counterexample; readonly token: string })
  | (ExploreSummary & {
      readonly verdict: 'nondeterministic'
      readonly step: number
      readonly first: string
      readonly second: string
      readonly token: string
    })
  | (ExploreSummary & { readonly verdict: 'exhausted'; readonly reason: string; readonly coverage: Coverage | undefined })
