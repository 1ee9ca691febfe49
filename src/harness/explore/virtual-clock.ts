import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import { syncBuiltinESMExports } from 'node:module'
import timersPromises from 'node:timers/promises'
import { randomFrom } from '../../explorer/random-scheduler.js'

interface Timer {
  readonly at: number
  readonly order: number
  readonly fire: () => void
  readonly repeat: number | undefined
}

/**
 * Time for the actors of a run. It stands still while anything can happen without it, and jumps to the
 * next timer when nothing can: a retry's pause is a step and not a sleep.
 *
 * Only timers that are set while an actor runs are caught; everyone else's are the real ones.
 */
export class VirtualClock {
  #now = 0
  #order = 0
  #random = randomFrom(0)
  readonly #timers = new Map<number, Timer>()

  get now(): number {
    return this.#now
  }

  get waiting(): boolean {
    return this.#timers.size > 0
  }

  set(fire: () => void, delay: number, repeat: boolean): number {
    const id = ++this.#order
    const milliseconds = Math.max(1, Number.isFinite(delay) ? delay : 1)
    // The callback belongs to whoever set the timer, not to whoever moves the clock.
    this.#timers.set(id, {
      at: this.#now + milliseconds,
      order: id,
      fire: AsyncResource.bind(fire),
      repeat: repeat ? milliseconds : undefined,
    })
    return id
  }

  clear(id: number): void {
    this.#timers.delete(id)
  }

  /** Chance is the same in every run, too: it decides how long a retry pauses, and so who goes first. */
  random(): number {
    return this.#random()
  }

  reset(): void {
    this.#now = 0
    this.#random = randomFrom(0)
    this.#timers.clear()
  }

  /** Moves to the next timer and fires it; false when there is none. */
  advance(): boolean {
    const next = [...this.#timers].sort(([, a], [, b]) => a.at - b.at || a.order - b.order)[0]
    if (!next) return false
    const [id, timer] = next
    this.#timers.delete(id)
    this.#now = Math.max(this.#now, timer.at)
    if (timer.repeat !== undefined) this.#timers.set(id, { ...timer, at: this.#now + timer.repeat })
    timer.fire()
    return true
  }
}

const clocks = new AsyncLocalStorage<VirtualClock>()

/** Runs `run` so that the timers it sets, and those set by what it calls, are the clock's. */
export function withClock<T>(clock: VirtualClock, run: () => T): T {
  install()
  return clocks.run(clock, run)
}

/** Runs `run` in real time again. */
export function inRealTime<T>(run: () => T): T {
  return clocks.exit(run)
}

/** A timer of the virtual clock, with as much of Node's Timeout as callers use. */
class VirtualTimeout {
  constructor(
    private readonly clock: VirtualClock,
    readonly id: number,
  ) {}
  ref = () => this
  unref = () => this
  hasRef = () => true
  refresh = () => this
  close = () => this.stop()
  stop() {
    this.clock.clear(this.id)
    return this
  }
  [Symbol.toPrimitive] = () => this.id;
  [Symbol.dispose] = () => void this.stop()
}

let installed = false

/** Once a process: outside an actor the replacements only call the real functions. */
function install(): void {
  if (installed) return
  installed = true
  const real = {
    setTimeout,
    clearTimeout,
    setInterval,
    clearInterval,
    sleep: timersPromises.setTimeout,
    performanceNow: performance.now.bind(performance),
    random: Math.random,
  }

  const replace = (repeat: boolean, original: typeof setTimeout | typeof setInterval) =>
    Object.assign((callback: (...args: unknown[]) => void, delay = 1, ...args: unknown[]) => {
      const clock = clocks.getStore()
      if (!clock) return (original as typeof setTimeout)(callback, delay, ...args)
      return new VirtualTimeout(
        clock,
        clock.set(() => callback(...args), delay, repeat),
      )
    }, original)
  const replaceClear = (original: typeof clearTimeout) => (timer: unknown) => {
    if (timer instanceof VirtualTimeout) timer.stop()
    else original(timer as NodeJS.Timeout)
  }
  globalThis.setTimeout = replace(false, real.setTimeout) as unknown as typeof setTimeout
  globalThis.setInterval = replace(true, real.setInterval)
  globalThis.clearTimeout = replaceClear(real.clearTimeout)
  globalThis.clearInterval = replaceClear(real.clearInterval)
  performance.now = () => clocks.getStore()?.now ?? real.performanceNow()
  Math.random = () => clocks.getStore()?.random() ?? real.random()
  timersPromises.setTimeout = ((delay?: number, value?: unknown, options?: { signal?: AbortSignal }) => {
    const clock = clocks.getStore()
    return clock ? virtualSleep(clock, delay, value, options?.signal) : real.sleep(delay, value, options)
  }) as typeof timersPromises.setTimeout
  syncBuiltinESMExports()
}

function virtualSleep(clock: VirtualClock, delay = 1, value?: unknown, signal?: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error)
    const id = clock.set(() => resolve(value), delay, false)
    signal?.addEventListener('abort', () => {
      clock.clear(id)
      reject(signal.reason as Error)
    })
  })
}
