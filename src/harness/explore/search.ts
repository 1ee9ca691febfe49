import { BoundedScheduler } from '../../explorer/bounded-scheduler.js'
import { CompleteScheduler } from '../../explorer/complete-scheduler.js'
import { RandomScheduler } from '../../explorer/random-scheduler.js'
import type { Coverage } from '../../explorer/report-types.js'
import { type Choice, choicesOf, countPreemptions, formatSchedule } from '../../explorer/schedule.js'
import { type Chooser, following, type Scheduler } from '../../explorer/scheduler.js'
import type { Run } from './exploration.js'
import type { Fault, Judge } from './judge.js'
import type { SearchSettings } from './search-options.js'

/** A run that broke the invariant. */
export interface FoundFault {
  readonly run: Run
  readonly fault: Fault
  readonly choices: readonly Choice[]
  readonly preemptions: number
}

export type SearchResult =
  | { readonly kind: 'held'; readonly coverage: Coverage }
  | { readonly kind: 'violated'; readonly found: FoundFault }
  | { readonly kind: 'exhausted'; readonly coverage: Coverage | undefined }

export interface Searchable {
  run(choose: Chooser): Promise<Run>
}

// Among schedules with equally few preemptions the shortest is the easiest to read.
const SHORTER_RUNS = 40

/** Looks for the smallest schedule that breaks the invariant, within a budget. */
export class Search {
  readonly #settings: SearchSettings
  readonly #exploration: Searchable
  readonly #judge: Judge
  readonly #onRun: (run: Run) => Promise<void>
  readonly #started = performance.now()
  #schedules = 0
  #found: FoundFault | undefined

  constructor(exploration: Searchable, judge: Judge, settings: SearchSettings, onRun: (run: Run) => Promise<void>) {
    this.#exploration = exploration
    this.#judge = judge
    this.#settings = settings
    this.#onRun = onRun
  }

  async run(actors: number): Promise<SearchResult> {
    await this.#serialOrders(actors)
    const { mode, preemptions } = this.#settings
    if (mode === 'complete') return this.#complete(undefined)
    if (mode === 'sampled') return this.#sample(0)

    const bounded = new BoundedScheduler(preemptions)
    const ended = await this.#drain(bounded)
    const coverage = { kind: 'bounded', preemptions: (bounded.preemptions ?? preemptions + 1) - 1 } as const
    if (this.#found) return this.#smallest(this.#found)
    if (bounded.exhausted) return { kind: 'held', coverage: { kind: 'complete' } }
    if (!ended) return { kind: 'exhausted', coverage: coverage.preemptions < 0 ? undefined : coverage }
    if (mode === 'bounded') return { kind: 'held', coverage }
    return this.#complete(coverage.preemptions)
  }

  /** One operation after another, in every order: what they leave is right by definition. */
  async #serialOrders(actors: number): Promise<void> {
    for (const order of permutations([...Array(actors).keys()])) {
      const run = await this.#runOnce((options) =>
        Math.max(
          0,
          indexOfFirst(
            order,
            options.map(({ choice }) => choice.actor),
          ),
        ),
      )
      await this.#judge.learn(run)
      await this.#check(run)
      if (this.#found) return
    }
  }

  /** Everything, if half of the budget is enough for it; `bound` is what has been covered before. */
  async #complete(bound: number | undefined): Promise<SearchResult> {
    const scheduler = new CompleteScheduler()
    const ended = this.#found === undefined && (await this.#drain(scheduler, bound === undefined ? 1 : 0.7))
    if (this.#found) return this.#smallest(this.#found)
    if (ended) return { kind: 'held', coverage: { kind: 'complete' } }
    return bound === undefined ? { kind: 'exhausted', coverage: undefined } : this.#sample(bound)
  }

  async #sample(preemptions: number): Promise<SearchResult> {
    const { seed } = this.#settings
    const before = this.#schedules
    if (!this.#found) await this.#drain(new RandomScheduler(seed))
    if (this.#found) return this.#smallest(this.#found)
    return { kind: 'held', coverage: { kind: 'sampled', seed, schedules: this.#schedules - before, preemptions } }
  }

  /** Runs what the scheduler asks for; false when the budget ended first. Stops at the first fault. */
  async #drain(scheduler: Scheduler, share = 1): Promise<boolean> {
    while (!this.#found) {
      if (!this.#hasBudget(share)) return false
      const choose = scheduler.next()
      if (!choose) return true
      const run = await this.#runOnce(choose)
      scheduler.ran(run.history.decisions)
      if (!run.history.pruned) await this.#check(run)
    }
    return false
  }

  #hasBudget(share: number): boolean {
    const { schedules, time } = this.#settings
    return this.#schedules < schedules * share && performance.now() - this.#started < time * share
  }

  async #runOnce(choose: Chooser): Promise<Run> {
    const run = await this.#exploration.run(choose)
    this.#schedules++
    return run
  }

  async #check(run: Run): Promise<void> {
    await this.#onRun(run)
    const fault = await this.#judge.judge(run)
    if (!fault) return
    const { decisions } = run.history
    this.#found ??= { run, fault, choices: choicesOf(decisions), preemptions: countPreemptions(decisions) }
  }

  /** Fewer preemptions first, then fewer steps. */
  async #smallest(found: FoundFault): Promise<SearchResult> {
    const scheduler = new BoundedScheduler(found.preemptions)
    const tried = new Set<string>()
    let best = found
    for (let runs = 0; runs < SHORTER_RUNS && this.#hasBudget(1); runs++) {
      const choose = scheduler.next()
      if (!choose || (scheduler.preemptions ?? 0) > best.preemptions) break
      const run = await this.#runOnce(choose)
      scheduler.ran(run.history.decisions)
      tried.add(formatSchedule(choicesOf(run.history.decisions)))
      const fault = await this.#judge.judge(run)
      if (!fault) continue
      const candidate = { run, fault, choices: choicesOf(run.history.decisions), preemptions: countPreemptions(run.history.decisions) }
      if (isSmaller(candidate, best)) best = candidate
    }
    return { kind: 'violated', found: best }
  }
}

/** Runs one schedule again. */
export function replayRun(exploration: Searchable, choices: readonly Choice[]): Promise<Run> {
  return exploration.run(following(choices))
}

function isSmaller(a: FoundFault, b: FoundFault): boolean {
  return a.preemptions < b.preemptions || (a.preemptions === b.preemptions && a.choices.length < b.choices.length)
}

function indexOfFirst(order: readonly number[], available: readonly number[]): number {
  const first = order.find((actor) => available.includes(actor))
  return first === undefined ? -1 : available.indexOf(first)
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]]
  return items.flatMap((item, index) => permutations(items.filter((_, other) => other !== index)).map((rest) => [item, ...rest]))
}
