import { within } from '../core/within.js'
import type { LockTree } from '../monitor/lock-tree-types.js'
import { toForest } from '../report/lock-forest.js'
import { HISTORY_SECONDS, type LockSample, type LockView } from '../report/lock-view.js'
import { messageOf } from './failure.js'

const INTERVAL = 1_000
const HISTORY = HISTORY_SECONDS * INTERVAL
/** A page that was forgotten costs the database nothing; one that is opened again within that time has its history. */
const IDLE_AFTER = HISTORY
/** How long a viewer waits for a reading, when there is none from a moment ago. */
const PATIENCE = 500
/** A reading arrives a little after its second has come. */
const SLACK = 100

interface Reading extends Omit<LockSample, 'secondsAgo'> {
  readonly startedAt: number
}

/**
 * Reads the locks once a second for all who look at them, and remembers a minute.
 *
 * A reading starts only when the one before it has ended, and none starts while nobody has looked for a minute.
 */
export class LockSampler {
  readonly #read: () => Promise<LockTree>
  readonly #timer: NodeJS.Timeout
  readonly #stopped: Promise<void>
  #stop!: () => void
  #reading: Promise<void> | undefined
  #readings: readonly Reading[] = []
  #tree: LockTree | undefined
  #treeAt = 0
  #failure: string | undefined
  #settledAt = Number.NEGATIVE_INFINITY
  #lookedAt = performance.now()

  constructor(read: () => Promise<LockTree>) {
    this.#read = read
    this.#stopped = new Promise((resolve) => (this.#stop = resolve))
    this.#timer = setInterval(() => {
      if (performance.now() - this.#lookedAt < IDLE_AFTER) void this.#sample()
    }, INTERVAL)
    void this.#sample()
  }

  /** What is known now; waits a moment for a reading when the last one is older than two seconds. */
  async view(): Promise<LockView> {
    this.#lookedAt = performance.now()
    if (this.#lookedAt - this.#settledAt > 2 * INTERVAL) await within(Promise.race([this.#sample(), this.#stopped]), PATIENCE)
    const now = performance.now()
    const nextIn = this.#settledAt + INTERVAL + SLACK - now
    return {
      ...(this.#tree && { tree: this.#tree, age: now - this.#treeAt }),
      ...(this.#failure !== undefined && { failure: this.#failure }),
      history: this.#history(),
      nextIn: Math.min(INTERVAL, Math.max(SLACK, nextIn)),
    }
  }

  /** No reading starts any more, and nobody waits for the one that has. */
  stop(): void {
    clearInterval(this.#timer)
    this.#stop()
  }

  #sample(): Promise<void> {
    return (this.#reading ??= this.#readOnce().finally(() => (this.#reading = undefined)))
  }

  async #readOnce(): Promise<void> {
    const startedAt = performance.now()
    let reading: Reading = { startedAt }
    try {
      const tree = await this.#read()
      const { waiters, longestWait } = toForest(tree)
      reading = { startedAt, waiters, longestWait }
      this.#tree = tree
      this.#treeAt = startedAt
      this.#failure = undefined
    } catch (error) {
      this.#failure = messageOf(error)
    }
    this.#settledAt = performance.now()
    this.#readings = [...this.#readings.filter((one) => one.startedAt > startedAt - HISTORY), reading]
  }

  #history(): readonly LockSample[] {
    const latest = this.#readings.at(-1)
    return this.#readings.map(({ startedAt, ...reading }) => ({ secondsAgo: (latest!.startedAt - startedAt) / 1_000, ...reading }))
  }
}
