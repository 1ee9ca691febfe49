import type { Decision } from './schedule.js'

/** One thing that happened in a run, in order. */
export type HistoryEvent =
  | {
      readonly kind: 'step'
      readonly step: number
      readonly actor: number
      readonly sql: string
      readonly args: readonly unknown[]
      readonly transaction: number | undefined
      /** In SQL's words; undefined for the default, or outside transactions. */
      readonly isolationLevel?: string
      /** What came back at once or later; undefined while it was never answered. */
      result?: StepResult
      /** Set when it had to wait: for which actors, and until which step. */
      wait?: { readonly for: readonly number[]; until?: number }
    }
  | { readonly kind: 'settled'; readonly step: number; readonly actor: number; readonly error: string | undefined }
  | { readonly kind: 'deadlock'; readonly step: number; readonly actors: readonly number[]; readonly victim: number }
  | { readonly kind: 'time'; readonly step: number; readonly milliseconds: number }

/** What PostgreSQL answered to a step. */
export interface StepResult {
  readonly rows: number
  readonly columns?: readonly string[]
  readonly values?: readonly (readonly unknown[])[]
  readonly sqlState?: string
  readonly error?: string
}

/** A statement of an actor, and its answer. */
export type StepEvent = Extract<HistoryEvent, { kind: 'step' }>

/** A run, from its first step to the last actor's end. */
export interface RunHistory {
  readonly decisions: readonly Decision[]
  readonly events: readonly HistoryEvent[]
  /** True when the scheduler cut the run short, as it would only repeat another. */
  readonly pruned: boolean
}
