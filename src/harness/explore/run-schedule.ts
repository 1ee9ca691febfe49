import type postgres from 'postgres'
import { errorSqlState } from '../../core/error-sql-state.js'
import type { HistoryEvent, RunHistory, StepEvent } from '../../explorer/history.js'
import type { Choice, Decision, Footprint, Option } from '../../explorer/schedule.js'
import type { Chooser } from '../../explorer/scheduler.js'
import type { Actor, ActorListener, SentStatement } from './actor.js'
import { ActorWaits } from './actor-waits.js'
import { findCycle } from './blocked-probe.js'
import { FootprintTracker, type Relations } from './footprint.js'
import { ActorStuckError } from './explore-errors.js'
import { Stillness } from './stillness.js'
import { type VirtualClock, withClock } from './virtual-clock.js'

export type Operation = (client: never) => unknown

export interface RunOptions {
  readonly actors: readonly Actor[]
  readonly operations: readonly Operation[]
  readonly control: postgres.Sql
  readonly clock: VirtualClock
  readonly relations: Relations
  readonly choose: Chooser
  /** How long an actor may be silent before only the clock can be what it waits for, in real ms. */
  readonly patience: number
  /** How long a run may take in real time, in ms. */
  readonly timeout: number
  readonly signal: AbortSignal | undefined
}

// Statements of a transaction that take locks and give none back, unless they fail.
const KEEPS_LOCKS = /^\s*(?:SELECT|INSERT|UPDATE|DELETE|SAVEPOINT)\b/i

const NO_FOOTPRINT = {
  reads: new Set<string>(),
  writes: new Set<string>(),
  publishes: new Set<string>(),
  takesSnapshot: false,
  unknown: true,
}

/** Runs the operations of all actors in the order that `choose` decides, statement by statement. */
export function runSchedule(options: RunOptions): Promise<RunHistory> {
  return new ScheduleRun(options).run()
}

/**
 * One run.
 *
 * ```
 * quiet (every actor at the gate, blocked, waiting for time, or settled) ──choose──▶ busy ──▶ quiet …
 * ```
 */
class ScheduleRun implements ActorListener {
  readonly #options: RunOptions
  readonly #decisions: Decision[] = []
  readonly #events: HistoryEvent[] = []
  readonly #footprints: FootprintTracker[]
  readonly #numbers: Map<number, number>[]
  readonly #open = new Map<SentStatement['statement'], StepEvent>()
  #current: number | undefined
  readonly #waits: ActorWaits
  readonly #stillness: Stillness
  #settled: { actor: number; error: string | undefined }[] = []

  constructor(options: RunOptions) {
    this.#options = options
    this.#footprints = options.actors.map(() => new FootprintTracker(options.relations))
    this.#numbers = options.actors.map(() => new Map<number, number>())
    const { actors, control, patience, timeout, signal } = options
    this.#waits = new ActorWaits(control, actors)
    this.#stillness = new Stillness({ actors, waits: this.#waits, patience, timeout, signal })
  }

  async run(): Promise<RunHistory> {
    const { actors, operations, clock } = this.#options
    clock.reset()
    actors.forEach((actor, index) => withClock(clock, () => actor.start(operations[index]!, this)))
    await this.#untilQuiet()
    let pruned = false
    while (actors.some((actor) => !actor.finished)) {
      const cycle = this.#waits.cycle()
      const options = cycle ? this.#victims(cycle) : this.#steps()
      if (options.length === 0) {
        await this.#moveTime()
      } else {
        const taken = this.#options.choose(options, cycle ? undefined : this.#going(options), this.#decisions.length)
        if (taken === undefined) {
          pruned = true
          break
        }
        this.#decisions.push({ options, taken, current: cycle ? undefined : this.#going(options) })
        await this.#take(options[taken]!.choice, cycle)
      }
      await this.#untilQuiet()
    }
    if (pruned) await this.#abandon()
    for (const actor of actors) actor.open = true
    return { decisions: this.#decisions, events: this.#events, pruned }
  }

  arrived(): void {
    this.#stillness.heard()
  }

  settled(actor: Actor): void {
    this.arrived()
    if (!actor.outcome) return
    const error = actor.outcome.status === 'rejected' ? nameOf(actor.outcome.error) : undefined
    this.#settled.push({ actor: actor.index, error })
  }

  returned(_: Actor, statement: SentStatement['statement'], outcome: StepEvent['result'], error: unknown): void {
    this.arrived()
    const event = this.#open.get(statement)
    if (!event) return
    this.#open.delete(statement)
    if (event.wait) event.wait.until = this.#decisions.length
    event.result = outcome ?? { rows: 0, sqlState: errorSqlState(error), error: (error as Error)?.message }
  }

  #steps(): Option[] {
    return this.#options.actors.flatMap((actor) => {
      const { next } = actor
      if (!next) return []
      const footprint = this.#withWaiters(actor, this.#footprints[actor.index]!.of(next.statement))
      return [{ choice: { kind: 'step', actor: actor.index }, footprint }]
    })
  }

  /** What ends a wait also does what waited: a third actor's step may depend on that. */
  #withWaiters(actor: Actor, footprint: Footprint): Footprint {
    const { actors } = this.#options
    if (actors.length < 3 || footprint.publishes.size === 0) return footprint
    const waiting = actors.filter((other) => other !== actor && other.sent.length > 0)
    return waiting
      .flatMap((other) => other.sent.map(({ statement }) => this.#footprints[other.index]!.of(statement)))
      .reduce(join, footprint)
  }

  #victims(cycle: readonly number[]): Option[] {
    return this.#waits.actorsOf(cycle).map((actor) => ({ choice: { kind: 'victim', actor }, footprint: NO_FOOTPRINT }))
  }

  /** The actor of the last step, if it can go on. */
  #going(options: readonly Option[]): number | undefined {
    return options.some(({ choice }) => choice.actor === this.#current) ? this.#current : undefined
  }

  async #take({ kind, actor: index }: Choice, cycle: readonly number[] | undefined): Promise<void> {
    const actor = this.#options.actors[index]!
    this.#stillness.harmless = undefined
    if (kind === 'victim') {
      this.#events.push({ kind: 'deadlock', step: this.#decisions.length, actors: this.#waits.actorsOf(cycle!), victim: index })
      await this.#breakDeadlock(actor, cycle!)
      return
    }
    const next = actor.next!
    const { statement, release } = next
    actor.pending.splice(actor.pending.indexOf(next), 1)
    const event: StepEvent = {
      kind: 'step',
      step: this.#decisions.length,
      actor: index,
      sql: statement.sql,
      args: statement.args,
      transaction: this.#numberOf(index, statement.transaction),
      ...(statement.isolationLevel && { isolationLevel: statement.isolationLevel }),
    }
    this.#events.push(event)
    this.#open.set(statement, event)
    const keepsLocks = statement.transaction !== undefined && KEEPS_LOCKS.test(statement.sql)
    if (keepsLocks && !this.#footprints[index]!.of(statement).unknown) this.#stillness.harmless = event
    this.#footprints[index]!.sent(statement)
    this.#current = index
    release()
  }

  /** The gate counts transactions over all runs; a history counts them from 1. */
  #numberOf(actor: number, transaction: number | undefined): number | undefined {
    if (transaction === undefined) return undefined
    const numbers = this.#numbers[actor]!
    if (!numbers.has(transaction)) numbers.set(transaction, numbers.size + 1)
    return numbers.get(transaction)
  }

  /** PostgreSQL would pick the victim by chance; here it is chosen, cancelled, and told it was a deadlock. */
  async #breakDeadlock(actor: Actor, cycle: readonly number[]): Promise<void> {
    const pid = cycle.find((one) => actor.pids.has(one))!
    const before = actor.sent.length
    for (const sent of actor.sent) sent.victim = true
    await this.#options.control`SELECT pg_cancel_backend(${pid})`
    // Until the victim has had its signal, everything still looks blocked.
    while (before > 0 && actor.sent.length === before) await this.#stillness.turn()
    for (const sent of actor.sent) sent.victim = false
  }

  /** Waits until nothing more happens by itself. */
  async #untilQuiet(): Promise<void> {
    await this.#stillness.reached()
    this.#noteWaits()
    // Of those that settle in the same step, which one is seen first is chance.
    for (const { actor, error } of this.#settled.splice(0).sort((one, other) => one.actor - other.actor)) {
      this.#events.push({ kind: 'settled', step: this.#decisions.length, actor, error })
    }
  }

  #noteWaits(): void {
    for (const event of this.#open.values()) {
      if (event.wait) continue
      const blockers = this.#waits.blockersOf(event.actor)
      if (blockers.length > 0) event.wait = { for: blockers }
    }
  }

  async #moveTime(): Promise<void> {
    const { clock, actors } = this.#options
    const before = clock.now
    this.#stillness.listenAgain()
    if (clock.advance()) {
      this.#events.push({ kind: 'time', step: this.#decisions.length, milliseconds: clock.now - before })
      return
    }
    const stuck = actors.find((actor) => !actor.settled)
    if (stuck) throw new ActorStuckError(stuck.name, this.#waits.waitsForStranger(stuck))
    for (const actor of actors) await this.#endSessions(actor)
  }

  /** An operation that is over has left a transaction open, which nobody will ever end. */
  async #endSessions(actor: Actor): Promise<void> {
    if (actor.finished) return
    await this.#options.control`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY(${[...actor.pids]}::int[]) AND xact_start IS NOT NULL`
    actor.transactions.clear()
  }

  /** Lets a run that only repeats another come to its end without choosing any more. */
  async #abandon(): Promise<void> {
    const { actors, control } = this.#options
    while (actors.some((actor) => !actor.finished)) {
      for (const actor of actors) {
        actor.open = true
        for (const { release } of actor.pending.splice(0)) release()
      }
      const cycle = findCycle(await this.#waits.read(actors.filter((actor) => !actor.finished)))
      if (cycle) await control`SELECT pg_cancel_backend(${cycle[0]!})`
      const silent = this.#stillness.isSilent() && !this.#options.clock.advance()
      if (silent) for (const actor of actors) if (actor.settled) await this.#endSessions(actor)
      await this.#stillness.turn()
    }
  }
}

const join = (a: Footprint, b: Footprint): Footprint => ({
  reads: new Set([...a.reads, ...b.reads]),
  writes: new Set([...a.writes, ...b.writes]),
  publishes: new Set([...a.publishes, ...b.publishes]),
  takesSnapshot: a.takesSnapshot || b.takesSnapshot,
  unknown: a.unknown || b.unknown,
})

/** What was thrown, as the history names it: anything can be. */
const nameOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.name : String(thrown))
