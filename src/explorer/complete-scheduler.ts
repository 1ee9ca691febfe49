import { areDependent } from './dependence.js'
import { type Decision, type Option, sameChoice } from './schedule.js'
import { type Chooser, defaultOption, ScheduleMismatch, type Scheduler } from './scheduler.js'

interface Node {
  readonly options: readonly Option[]
  /** Options whose every continuation is an already explored run with two independent steps swapped. */
  readonly asleep: readonly Option[]
  readonly tried: Option[]
  taken: Option
}

/**
 * Every schedule, depth first, less those that differ from another one only in the order of independent
 * steps (sleep sets). Never to be combined with a preemption bound, which would cut off the run that a
 * sleeping option relies on.
 *
 * @see Godefroid: Partial-Order Methods for the Verification of Concurrent Systems (1996), chapter 5
 */
export class CompleteScheduler implements Scheduler {
  readonly #reduce: boolean
  #path: Node[] = []
  #started = false

  /** @param options.reduce `false` runs every schedule, to check the reduction against. */
  constructor({ reduce = true }: { reduce?: boolean } = {}) {
    this.#reduce = reduce
  }

  next(): Chooser | undefined {
    if (this.#started && !this.#backtrack()) return undefined
    this.#started = true
    return (options, current, depth) => {
      const node = this.#path[depth]
      return node ? this.#replay(node, options, depth) : this.#extend(options, current, depth)
    }
  }

  ran(decisions: readonly Decision[]): void {
    // A run that was cut short has no node for what it did not reach.
    this.#path.length = Math.min(this.#path.length, decisions.length)
  }

  #replay(node: Node, options: readonly Option[], depth: number): number {
    const index = options.findIndex(({ choice }) => sameChoice(choice, node.taken.choice))
    if (index === -1) throw new ScheduleMismatch(depth, node.taken.choice, options)
    return index
  }

  #extend(options: readonly Option[], current: number | undefined, depth: number): number | undefined {
    const asleep = this.#reduce ? this.#asleepAfter(this.#path[depth - 1], options) : []
    const awake = options.filter((option) => !includes(asleep, option))
    if (awake.length === 0) return undefined
    const taken = awake[defaultOption(awake, current)]!
    this.#path.push({ options, asleep, tried: [], taken })
    return options.indexOf(taken)
  }

  /** What sleeps after a step: what slept or was tried before it and does not depend on it. */
  #asleepAfter(parent: Node | undefined, options: readonly Option[]): Option[] {
    if (!parent) return []
    const before = [...parent.asleep, ...parent.tried].filter(({ footprint }) => !areDependent(footprint, parent.taken.footprint))
    // The options of now: who waits behind a step may have changed what it does.
    return options.filter((option) => includes(before, option))
  }

  #backtrack(): boolean {
    for (let node = this.#path.at(-1); node; this.#path.pop(), node = this.#path.at(-1)) {
      node.tried.push(node.taken)
      const next = node.options.find((option) => !includes(node.asleep, option) && !includes(node.tried, option))
      if (next) {
        node.taken = next
        return true
      }
    }
    return false
  }
}

const includes = (options: readonly Option[], wanted: Option): boolean => options.some(({ choice }) => sameChoice(choice, wanted.choice))
