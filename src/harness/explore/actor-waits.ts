import type postgres from 'postgres'
import type { Actor } from './actor.js'
import { findCycle, readWaits, type WaitsFor } from './blocked-probe.js'

/** Of a session that is no actor's. */
const STRANGER = -1

/** Which of the actors' backends wait for which others, as PostgreSQL said when it was last asked. */
export class ActorWaits {
  readonly #control: postgres.Sql
  readonly #actors: readonly Actor[]
  #waits: WaitsFor = new Map()
  #owner: ReadonlyMap<number, number> = new Map()

  /** @param control A connection that no actor uses. */
  constructor(control: postgres.Sql, actors: readonly Actor[]) {
    this.#control = control
    this.#actors = actors
  }

  /** Asks PostgreSQL, and leaves what is known as it is. */
  async read(of: readonly Actor[]): Promise<WaitsFor> {
    this.#owner = new Map(this.#actors.flatMap((actor) => [...actor.pids].map((pid) => [pid, actor.index] as const)))
    const pids = of.flatMap((actor) => [...actor.pids])
    return readWaits(this.#control, pids)
  }

  know(waits: WaitsFor): void {
    this.#waits = waits
  }

  forget(): void {
    this.#waits = new Map()
  }

  /** Whether each of the actor's statements on their way waits for a lock. */
  blocks(actor: Actor, waits = this.#waits): boolean {
    return [...actor.pids].filter((pid) => waits.has(pid)).length === actor.sent.length
  }

  /** Backends that wait for each other in a circle. */
  cycle(): number[] | undefined {
    return this.#waits.size > 1 ? findCycle(this.#waits) : undefined
  }

  /** The actors of these backends, each once, in the order in which they were given. */
  actorsOf(pids: readonly number[]): number[] {
    return [...new Set(pids.map((pid) => this.#ownerOf(pid)))].sort((one, other) => one - other)
  }

  /** Whom an actor waits for, each once; {@link STRANGER} stands for who is none. */
  blockersOf(actor: number): number[] {
    return [...new Set(this.#blockingPids(actor).map((pid) => this.#ownerOf(pid)))]
  }

  waitsForStranger({ index }: Actor): boolean {
    return this.blockersOf(index).includes(STRANGER)
  }

  #ownerOf(pid: number): number {
    return this.#owner.get(pid) ?? STRANGER
  }

  #blockingPids(actor: number): number[] {
    return [...this.#waits].filter(([pid]) => this.#ownerOf(pid) === actor).flatMap(([, pids]) => pids)
  }
}
