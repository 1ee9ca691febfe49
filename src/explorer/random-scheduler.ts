import type { Decision, Option } from './schedule.js'
import type { Chooser, Scheduler } from './scheduler.js'

/** A stream of numbers from 0 (inclusive) to 1 (exclusive) that a seed fixes (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * Endless random schedules, half of them by PCT: every actor has a random priority, the highest that can
 * go on goes on, and at a few random steps the leader falls to the bottom. A bug of depth d is then hit
 * with a probability that does not shrink with the number of steps as a random walk's does.
 *
 * @see Burckhardt et al.: A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs (2010)
 */
export class RandomScheduler implements Scheduler {
  readonly #random: () => number
  #runs = 0
  #longest = 10

  constructor(seed: number) {
    this.#random = randomFrom(seed)
  }

  next(): Chooser {
    return this.#runs++ % 2 === 0 ? this.#byPriorities() : this.#walk()
  }

  ran(decisions: readonly Decision[]): void {
    this.#longest = Math.max(this.#longest, decisions.length)
  }

  #walk(): Chooser {
    return (options) => Math.floor(this.#random() * options.length)
  }

  #byPriorities(): Chooser {
    const priorities = new Map<number, number>()
    const falls = new Set([0, 1].map(() => Math.floor(this.#random() * this.#longest)))
    return (options, _, depth) => {
      for (const { choice } of options) if (!priorities.has(choice.actor)) priorities.set(choice.actor, this.#random())
      if (falls.has(depth)) priorities.set(options[highest(options, priorities)]!.choice.actor, -depth - 1)
      return highest(options, priorities)
    }
  }
}

function highest(options: readonly Option[], priorities: ReadonlyMap<number, number>): number {
  let best = 0
  options.forEach(({ choice }, index) => {
    if (priorities.get(choice.actor)! > priorities.get(options[best]!.choice.actor)!) best = index
  })
  return best
}
