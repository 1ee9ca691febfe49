import { type Choice, choicesOf, type Decision, isPreemption, sameChoice } from './schedule.js'
import { type Chooser, following, type Scheduler } from './scheduler.js'

/**
 * Every schedule with at most `bound` preemptions, those with fewer first. A switch when an actor has
 * ended or is blocked costs nothing: bound 0 holds all serial orders. Most concurrency bugs need two
 * preemptions or fewer.
 *
 * Each schedule is reached by exactly one prefix, the one that ends with its last departure from the
 * default; so no schedule runs twice, and raising the bound goes on where it stopped.
 *
 * @see Musuvathi, Qadeer: Iterative Context Bounding for Systematic Testing (2007)
 */
export class BoundedScheduler implements Scheduler {
  readonly #byPreemptions: Choice[][][] = [[[]]]
  #running: readonly Choice[] = []

  constructor(public bound: number) {}

  /** The number of preemptions of the schedule that is run next, or undefined when none is left. */
  get preemptions(): number | undefined {
    const next = this.#byPreemptions.findIndex((prefixes) => prefixes !== undefined && prefixes.length > 0)
    return next === -1 ? undefined : next
  }

  /** True when there is no schedule beyond the bound either: everything was run. */
  get exhausted(): boolean {
    return this.preemptions === undefined
  }

  next(): Chooser | undefined {
    const preemptions = this.preemptions
    if (preemptions === undefined || preemptions > this.bound) return undefined
    this.#running = this.#byPreemptions[preemptions]!.shift()!
    return following(this.#running)
  }

  ran(decisions: readonly Decision[]): void {
    const choices = choicesOf(decisions)
    let preemptions = 0
    decisions.forEach((decision, depth) => {
      if (depth >= this.#running.length) this.#branch(decision, choices.slice(0, depth), preemptions)
      if (isPreemption(decision)) preemptions++
    })
  }

  #branch(decision: Decision, before: readonly Choice[], preemptions: number): void {
    const { options, taken } = decision
    options.forEach(({ choice }, index) => {
      if (index === taken || sameChoice(choice, options[taken]!.choice)) return
      const cost = preemptions + (isPreemption({ ...decision, taken: index }) ? 1 : 0)
      ;(this.#byPreemptions[cost] ??= []).push([...before, choice])
    })
  }
}
