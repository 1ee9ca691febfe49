import type { Choice, Decision, Option } from './schedule.js'
import { sameChoice } from './schedule.js'

/** Chooses the next option of a run, by its index; undefined ends a run that would only repeat another. */
export type Chooser = (options: readonly Option[], current: number | undefined, depth: number) => number | undefined

/** Decides which schedules to run, one after another, and learns from each run. */
export interface Scheduler {
  /** How to make the next run, or undefined when there is none left. */
  next(): Chooser | undefined
  /** Told the decisions of the run that was just made. */
  ran(decisions: readonly Decision[]): void
}

/** The option to take when nothing else is asked for: go on with the current actor, else the first one. */
export function defaultOption(options: readonly Option[], current: number | undefined): number {
  const going = options.findIndex(({ choice }) => choice.kind === 'step' && choice.actor === current)
  return going === -1 ? 0 : going
}

/** Follows `prefix`, then the default. A choice that is not possible is the caller's nondeterminism. */
export function following(prefix: readonly Choice[]): Chooser {
  return (options, current, depth) => {
    const wanted = prefix[depth]
    if (wanted === undefined) return defaultOption(options, current)
    const index = options.findIndex(({ choice }) => sameChoice(choice, wanted))
    if (index === -1) throw new ScheduleMismatch(depth, wanted, options)
    return index
  }
}

/** A schedule asks for a choice that the run does not offer: something else than the schedule decided. */
export class ScheduleMismatch extends Error {
  constructor(
    readonly depth: number,
    readonly wanted: Choice,
    readonly options: readonly Option[],
  ) {
    const offered = options.map(({ choice }) => `${choice.kind} ${choice.actor}`).join(', ')
    super(`At step ${depth + 1} the schedule wants ${wanted.kind} ${wanted.actor}, but the run offers ${offered || 'nothing'}.`)
  }
}
