import type postgres from 'postgres'
import { errorSqlState } from '../../core/error-sql-state.js'
import type { HistoryEvent, RunHistory, StepEvent } from '../../explorer/history.js'
import type { Choice, Decision, Option } from '../../explorer/schedule.js'
import type { Chooser } from '../../explorer/scheduler.js'
import type { Actor, ActorListener, SentStatement } from './actor.js'
import { findCycle, readWaits } from './blocked-probe.js'
import { FootprintTracker, type ForeignKeys } from './footprint.js'
import { ActorStuckError } from './explore-errors.js'
import { inRealTime, type VirtualClock, withClock } from './virtual-clock.js'

export type Operation = (client: never) => unknown

export interface RunOptions {
  readonly actors: readonly Actor[]
  readonly operations: readonly Operation[]
  readonly control: postgres.Sql
  readonly clock: VirtualClock
  readonly foreignKeys: ForeignKeys
  readonly choose: Chooser
  /** How long an actor may be silent before only the clock can be what it waits for, in real ms. */
  readonly patience: number
  /** How long a run may take in real time, in ms. */
  readonly timeout: number
  readonly signal: AbortSignal | undefined
}

const QUIET_TURNS = 200

const NO_FOOTPRINT = { reads: new Set<string>(), writes: new Set<string>(), publishes: new Set<string>(), takesSnapshot: false, unknown: true }

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
  readonly #open = new Map<SentStatement['statement'], StepEvent>()
  #current: number | undefined
  #blocked = new Map<number, readonly number[]>()
  #lastProgress = performance.now()
  #turns = 0
  readonly #deadline: number

  constructor(options: RunOptions) {
    this.#options = options
    this.#footprints = options.actors.map(() => new FootprintTracker(options.foreignKeys))
    this.#deadline = performance.now() + options.timeout
  }

  async run(): Promise<RunHistory> {
    const { actors, operations, clock } = this.#options
    clock.reset()
    actors.forEach((actor, index) => withClock(clock, () => actor.start(operations[index]!, this)))
    await this.#untilQuiet()
    let pruned = false
    while (actors.some((actor) => !actor.settled)) {
      const cycle = this.#cycle()
      const options = cycle ? victims(cycle) : this.#steps()
      if (options.length === 0) {
        this.#moveTime()
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
    this.#lastProgress = inRealTime(() => performance.now())
    this.#turns = 0
  }

  settled(actor: Actor): void {
    this.arrived()
    if (!actor.outcome) return
    const error = actor.outcome.status === 'rejected' ? String((actor.outcome.error as Error)?.name ?? actor.outcome.error) : undefined
    this.#events.push({ kind: 'settled', step: this.#decisions.length, actor: actor.index, error })
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
    const ready = this.#options.actors.filter((actor) => actor.pending.length > 0 && actor.sent.length === 0)
    return ready.map((actor) => ({
      choice: { kind: 'step', actor: actor.index },
      footprint: this.#footprints[actor.index]!.of(actor.pending[0]!.statement),
    }))
  }

  /** The actor of the last step, if it can go on. */
  #going(options: readonly Option[]): number | undefined {
    return options.some(({ choice }) => choice.actor === this.#current) ? this.#current : undefined
  }

  async #take({ kind, actor: index }: Choice, cycle: readonly number[] | undefined): Promise<void> {
    const actor = this.#options.actors[index]!
    if (kind === 'victim') {
      this.#events.push({ kind: 'deadlock', step: this.#decisions.length, actors: cycle!, victim: index })
      await this.#breakDeadlock(actor)
      return
    }
    const { statement, release } = actor.pending.shift()!
    const event: StepEvent = {
      kind: 'step',
      step: this.#decisions.length,
      actor: index,
      sql: statement.sql,
      args: statement.args,
      transaction: statement.transaction,
    }
    this.#events.push(event)
    this.#open.set(statement, event)
    this.#footprints[index]!.sent(statement)
    this.#current = index
    release()
  }

  /** PostgreSQL would pick the victim by chance; here it is chosen, cancelled, and told it was a deadlock. */
  async #breakDeadlock(actor: Actor): Promise<void> {
    const waits = await readWaits(this.#options.control, [...actor.pids])
    const pid = [...waits.keys()][0]
    for (const sent of actor.sent) sent.victim = true
    if (pid !== undefined) await this.#options.control`SELECT pg_cancel_backend(${pid})`
  }

  /** Waits until nothing more happens by itself. */
  async #untilQuiet(): Promise<void> {
    const { actors, signal } = this.#options
    let still = 0
    let before = ''
    for (;;) {
      await turn()
      this.#turns++
      signal?.throwIfAborted()
      this.#assertInTime()
      const flying = actors.filter((actor) => actor.sent.length > 0)
      const thinking = actors.some((actor) => !actor.settled && actor.pending.length === 0 && actor.sent.length === 0)
      const silent = this.#isSilent()
      if (flying.length === 0 && (!thinking || silent)) {
        this.#blocked = new Map()
        if (silent || ++still >= 2) return
        continue
      }
      still = 0
      if (flying.length === 0) continue
      const waits = await this.#readBlocked(flying)
      const now = JSON.stringify([...waits])
      const allBlocked = flying.every((actor) => waits.has(actor.index) && actor.sent.length > 0)
      // A waiter can look free for an instant and then queue behind another: ask twice.
      if (allBlocked && now === before && (!thinking || silent)) {
        this.#noteBlocked(waits)
        return
      }
      before = allBlocked ? now : ''
    }
  }

  /**
   * Nothing has come from any actor for a while. Turns of the event loop are counted as well as time: on
   * a busy machine time passes without anything having had its turn.
   */
  #isSilent(): boolean {
    const { actors, patience } = this.#options
    return this.#turns > QUIET_TURNS && performance.now() - this.#lastProgress > patience && actors.every((actor) => actor.working === 0)
  }

  async #readBlocked(flying: readonly Actor[]): Promise<Map<number, readonly number[]>> {
    const { actors, control } = this.#options
    const owner = new Map(actors.flatMap((actor) => [...actor.pids].map((pid) => [pid, actor.index] as const)))
    const waits = await readWaits(control, flying.flatMap((actor) => [...actor.pids]))
    const blocked = new Map<number, readonly number[]>()
    for (const [pid, blockers] of waits) {
      const index = owner.get(pid)!
      blocked.set(index, [...new Set([...(blocked.get(index) ?? []), ...blockers.map((blocker) => owner.get(blocker) ?? -1)])])
    }
    return blocked
  }

  #noteBlocked(waits: ReadonlyMap<number, readonly number[]>): void {
    this.#blocked = new Map(waits)
    for (const event of this.#open.values()) {
      const blockers = waits.get(event.actor)
      if (blockers && !event.wait) event.wait = { for: blockers }
    }
  }

  #cycle(): number[] | undefined {
    return this.#blocked.size > 1 ? findCycle(this.#blocked) : undefined
  }

  #moveTime(): void {
    const { clock, actors } = this.#options
    const before = clock.now
    if (!clock.advance()) {
      const stuck = actors.find((actor) => !actor.settled)!
      throw new ActorStuckError(stuck.name, this.#blocked.get(stuck.index)?.includes(-1) ?? false)
    }
    this.#lastProgress = performance.now()
    this.#events.push({ kind: 'time', step: this.#decisions.length, milliseconds: clock.now - before })
  }

  #assertInTime(): void {
    if (performance.now() < this.#deadline) return
    const stuck = this.#options.actors.find((actor) => !actor.settled)
    throw new ActorStuckError(stuck?.name ?? '', false)
  }

  /** Lets a run that only repeats another come to its end without choosing any more. */
  async #abandon(): Promise<void> {
    const { actors, control } = this.#options
    while (actors.some((actor) => !actor.settled)) {
      for (const actor of actors) {
        actor.open = true
        for (const { release } of actor.pending.splice(0)) release()
      }
      const cycle = findCycle(await this.#readBlocked(actors.filter((actor) => actor.sent.length > 0)))
      if (cycle) await this.#breakDeadlock(actors[cycle[0]!]!)
      this.#turns++
      if (this.#isSilent() && !this.#options.clock.advance()) await control`SELECT 1`
      await turn()
      this.#assertInTime()
    }
  }
}

const victims = (cycle: readonly number[]): Option[] => cycle.map((actor) => ({ choice: { kind: 'victim', actor }, footprint: NO_FOOTPRINT }))

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
