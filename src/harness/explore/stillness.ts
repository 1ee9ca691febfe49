import { setImmediate as turn } from 'node:timers/promises'
import type { StepEvent } from '../../explorer/history.js'
import type { Actor } from './actor.js'
import type { ActorWaits } from './actor-waits.js'
import { ActorStuckError } from './explore-errors.js'
import { inRealTime } from './virtual-clock.js'

export interface StillnessOptions {
  readonly actors: readonly Actor[]
  readonly waits: ActorWaits
  /** How long an actor may be silent before only the clock can be what it waits for, in real ms. */
  readonly patience: number
  /** How long a run may take in real time, in ms. */
  readonly timeout: number
  readonly signal: AbortSignal | undefined
}

const QUIET_TURNS = 200
// What does not wait for a lock is answered sooner than this, in real ms: asking who waits would be in vain.
const ANSWER = 0.4
// Longer than a connection takes; the run looks again when it ends.
const WORK = 5

/** Finds out when nothing more happens by itself in a run: every actor is at the gate, blocked, waiting for time, or settled. */
export class Stillness {
  /** The statement of the last step, if it can have ended nobody's wait. */
  harmless: StepEvent | undefined
  readonly #options: StillnessOptions
  readonly #deadline: number
  #lastProgress = performance.now()
  #turns = 0
  #heard: () => void = () => undefined

  constructor(options: StillnessOptions) {
    this.#options = options
    this.#deadline = performance.now() + options.timeout
  }

  /** An actor has done something. */
  heard(): void {
    this.#lastProgress = inRealTime(() => performance.now())
    this.#turns = 0
    this.#heard()
  }

  /** Time is about to be moved: what has been silent for long enough may answer to that. */
  listenAgain(): void {
    this.harmless = undefined
    this.#lastProgress = performance.now()
  }

  /** Lets everything that is due happen. @throws {ActorStuckError} when the run has taken too long. */
  async turn(): Promise<void> {
    await turn()
    this.#turns++
    this.#assertInTime()
  }

  /** Waits until all is still, and knows then who waits for whom. */
  async reached(): Promise<void> {
    const { actors, waits, signal } = this.#options
    let still = 0
    let before = ''
    if (actors.some((actor) => actor.sent.length > 0)) await this.#untilAnswered()
    for (;;) {
      if (actors.some((actor) => actor.working > 0)) await this.#untilHeard()
      await this.turn()
      signal?.throwIfAborted()
      const flying = actors.filter((actor) => actor.sent.length > 0)
      const thinking = actors.some((actor) => actor.thinking)
      const silent = this.isSilent()
      if (flying.length === 0 && (!thinking || silent)) {
        waits.forget()
        if (silent || ++still >= 2) return
        continue
      }
      still = 0
      if (flying.length === 0) continue
      // Who thinks may still send something: nobody's wait is the last word.
      if (thinking && !silent) {
        before = ''
        continue
      }
      if (this.#isAsBefore(flying)) return
      const found = await waits.read(flying)
      const now = JSON.stringify([...found])
      const allBlocked = flying.every((actor) => actor.sent.length > 0 && waits.blocks(actor, found))
      // A waiter can look free for an instant and then queue behind another: ask twice.
      if (allBlocked && now === before) {
        waits.know(found)
        return
      }
      before = allBlocked ? now : ''
    }
  }

  /**
   * Nothing has come from any actor for a while. Turns of the event loop are counted as well as time: on
   * a busy machine time passes without anything having had its turn.
   */
  isSilent(): boolean {
    const { actors, patience } = this.#options
    return this.#turns > QUIET_TURNS && performance.now() - this.#lastProgress > patience && actors.every((actor) => actor.working === 0)
  }

  /** Whether all that is under way was seen to wait before the last step, which has given no lock back. */
  #isAsBefore(flying: readonly Actor[]): boolean {
    const done = this.harmless?.result
    return done !== undefined && done.error === undefined && flying.every((actor) => this.#options.waits.blocks(actor))
  }

  async #untilAnswered(): Promise<void> {
    const [before, until] = [this.#lastProgress, performance.now() + ANSWER]
    while (this.#lastProgress === before && performance.now() < until) await turn()
  }

  /** Until an actor has something to tell; the processor is PostgreSQL's meanwhile. */
  #untilHeard(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, WORK)
      this.#heard = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #assertInTime(): void {
    if (performance.now() < this.#deadline) return
    const stuck = this.#options.actors.find((actor) => !actor.settled)
    throw new ActorStuckError(stuck?.name ?? '', false)
  }
}
