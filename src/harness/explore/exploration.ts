import postgres from 'postgres'
import type { Chooser } from '../../explorer/scheduler.js'
import type { RunHistory } from '../../explorer/history.js'
import { Actor, type Outcome } from './actor.js'
import { type Operation, runSchedule } from './run-schedule.js'
import { ScratchData } from './scratch-data.js'
import { VirtualClock } from './virtual-clock.js'

const PATIENCE = 25
const CONNECTIONS = 4

export interface ExplorationOptions<Client> {
  readonly url: string
  readonly client: (adapter: never) => Client
  readonly setup: (client: Client) => unknown
  readonly operations: ReadonlyMap<string, Operation>
  readonly runTimeout: number
  readonly signal: AbortSignal | undefined
}

/** What one schedule did. */
export interface Run {
  readonly history: RunHistory
  readonly outcomes: Readonly<Record<string, Outcome>>
}

/** A database, an actor for each operation, and the means to run any schedule from the same rows. */
export class Exploration<Client> {
  readonly actors: readonly Actor[]
  /** The rows of `setup`, which every schedule starts from. */
  readonly data: ScratchData
  readonly #before: ScratchData
  readonly #options: ExplorationOptions<Client>
  readonly #control: postgres.Sql
  readonly #observer: Actor
  readonly #clock = new VirtualClock()
  #started = false

  constructor(options: ExplorationOptions<Client>) {
    this.#options = options
    this.#control = postgres(options.url, { max: 1, onnotice: () => undefined, connection: { application_name: 'rowlock explorer' } })
    this.data = new ScratchData(this.#control, 'setup')
    this.#before = new ScratchData(this.#control, 'before')
    this.actors = [...options.operations.keys()].map((name, index) => new Actor(name, index, options.url, CONNECTIONS))
    this.#observer = new Actor('observer', -1, options.url, CONNECTIONS)
  }

  /** The client that sets up and looks at the rows, outside all schedules. */
  get observer(): Client {
    return this.#observer.client as Client
  }

  async start(): Promise<void> {
    for (const actor of [...this.actors, this.#observer]) {
      actor.client = this.#options.client((await actor.openAdapter()) as never) as never
    }
    await this.#before.remember()
    this.#started = true
    await this.#options.setup(this.observer)
    await this.data.remember()
  }

  /** Runs one schedule from the rows of `setup`. The rows it leaves stay until the next run. */
  async run(choose: Chooser): Promise<Run> {
    await this.data.reset()
    const history = await runSchedule({
      actors: this.actors,
      operations: [...this.#options.operations.values()],
      control: this.#control,
      clock: this.#clock,
      relations: this.data,
      choose,
      patience: PATIENCE,
      timeout: this.#options.runTimeout,
      signal: this.#options.signal,
    })
    return { history, outcomes: Object.fromEntries(this.actors.map((actor) => [actor.name, actor.outcome!])) }
  }

  /** Ends every session, also those of operations that have been given up, and leaves the rows as they were found. */
  async stop(): Promise<void> {
    const actors = [...this.actors, this.#observer]
    for (const actor of actors) actor.giveUp()
    const pids = actors.flatMap((actor) => [...actor.pids])
    await this.#control`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY(${pids}::int[]) AND xact_start IS NOT NULL`.catch(
      () => undefined,
    )
    await Promise.all(actors.map((actor) => actor.stop()))
    // A server that has died has nothing to put back; why it died is what the caller is told.
    if (this.#started) await this.#putBack().catch(() => undefined)
    await this.#control.end({ timeout: 1 })
  }

  async #putBack(): Promise<void> {
    await this.data.forget()
    await this.#before.reset()
    await this.#before.forget()
  }
}
