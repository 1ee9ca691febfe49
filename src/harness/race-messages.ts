import type { RaceErrorSample } from './race-result.js'
import type { RaceEvent } from './race-tally.js'
import type { RaceProcessPhase } from './race-errors.js'

/** What a worker process has to know before it can say that it is ready. */
export interface RaceAssignment {
  readonly type: 'prepare'
  readonly module: string
  readonly exportName: string
  readonly input: unknown
  readonly process: number
  readonly concurrency: number
  readonly indexes: readonly number[]
}

/** From the parent, in this order: prepare, start, end; abort may come at any time and ends all. */
export type MessageToWorker =
  RaceAssignment | { readonly type: 'start' } | { readonly type: 'end' } | { readonly type: 'abort'; readonly message: string }

/** From a worker, in this order: ready, events …, drained, ended; failed may come at any time. */
export type MessageToParent =
  | { readonly type: 'ready' }
  | { readonly type: 'events'; readonly events: readonly RaceEvent[] }
  | { readonly type: 'drained' }
  | { readonly type: 'ended' }
  | {
      readonly type: 'failed'
      readonly phase: RaceProcessPhase
      readonly problem: string
      readonly error: RaceErrorSample
      readonly stack: string | undefined
    }
