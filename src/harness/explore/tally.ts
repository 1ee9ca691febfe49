import type { StepEvent } from '../../explorer/history.js'
import type { ExploreCounts } from '../../explorer/report-types.js'
import { choicesOf, formatSchedule } from '../../explorer/schedule.js'
import type { Run } from './exploration.js'
import { tablesOf } from './footprint.js'
import { describeOutcomes } from './judge.js'
import type { ScratchData } from './scratch-data.js'

/** What happened over all schedules. */
export class Tally {
  readonly #started = performance.now()
  #schedules = 0
  #blocked = 0
  #deadlocked = 0
  #retried = 0
  #shared = false
  readonly #results = new Set<string>()
  readonly #seen = new Set<string>()

  async add({ history, outcomes }: Run, data: ScratchData): Promise<void> {
    // The serial orders come again among the schedules without preemptions.
    const schedule = formatSchedule(choicesOf(history.decisions))
    if (this.#seen.has(schedule)) return
    this.#seen.add(schedule)
    const steps = history.events.filter((event): event is StepEvent => event.kind === 'step')
    this.#schedules++
    if (steps.some(({ wait }) => wait)) this.#blocked++
    if (history.events.some(({ kind }) => kind === 'deadlock')) this.#deadlocked++
    if (steps.some((step) => isRetryable(step) && goesOn(step, steps))) this.#retried++
    this.#shared ||= sharesTable(steps, (sql) => [...tablesOf(sql, data).reads, ...tablesOf(sql, data).writes])
    this.#results.add(`${await data.readState()}\n${describeOutcomes(outcomes)}`)
  }

  get counts(): ExploreCounts {
    const duration = performance.now() - this.#started
    return {
      schedules: this.#schedules,
      blocked: this.#blocked,
      deadlocked: this.#deadlocked,
      retried: this.#retried,
      outcomes: this.#results.size,
      schedulesPerSecond: Math.round((this.#schedules / duration) * 1_000),
      duration: Math.round(duration),
    }
  }

  get warnings(): string[] {
    if (!this.#shared) return ['No table was touched by two actors: these operations cannot meet.']
    return this.#blocked === 0 ? ['No schedule ever waited for a lock: the operations meet, but nothing keeps them apart.'] : []
  }
}

const isRetryable = ({ result }: StepEvent) => result?.sqlState === '40001' || result?.sqlState === '40P01'

const goesOn = (failed: StepEvent, steps: readonly StepEvent[]) =>
  steps.some(({ actor, step, transaction }) => actor === failed.actor && step > failed.step && transaction !== failed.transaction)

function sharesTable(steps: readonly StepEvent[], tables: (sql: string) => readonly string[]): boolean {
  const owner = new Map<string, number>()
  return steps.some((step) =>
    tables(step.sql).some((table) => {
      const first = owner.get(table) ?? step.actor
      owner.set(table, first)
      return first !== step.actor
    }),
  )
}
