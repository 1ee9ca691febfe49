import { setTimeout } from 'node:timers/promises'
import type { LockTree } from '../../monitor/lock-tree-types.js'
import { formatDuration } from '../../report/format.js'
import { STALE_AFTER } from '../../report/lock-view.js'
import { messageOf } from '../failure.js'
import { type FullScreen, openFullScreen } from '../full-screen.js'
import { hasColors } from '../terminal.js'
import { cancelWait } from './cancel-waiter.js'
import type { LocksConnection } from './connect-to-locks.js'
import type { Waiter } from './waiter.js'
import { renderWatch } from './watch-screen.js'
import { press, showFailure, showMessage, showTree, startWatch, type WatchState } from './watch-state.js'

export interface WatchLocksOptions {
  readonly connection: LocksConnection
  /** As a person calls it. */
  readonly database: string
  /** Between two readings, in milliseconds. */
  readonly interval: number
  /** Ends the watch. */
  readonly signal: AbortSignal
}

/**
 * Shows the locks on the whole screen until the user has seen enough.
 *
 * A database that cannot be read at first is an error; later the screen says so, and it is tried again.
 */
export async function watchLocks(options: WatchLocksOptions): Promise<void> {
  const tree = await options.connection.read()
  if (options.signal.aborted) return
  using watch = new LockWatch(options, tree)
  await watch.run()
}

class LockWatch implements Disposable {
  readonly #options: WatchLocksOptions
  readonly #color = hasColors()
  readonly #quit = new AbortController()
  readonly #ended: AbortSignal
  readonly #screen: FullScreen
  #state: WatchState
  #maxScroll = 0

  constructor(options: WatchLocksOptions, tree: LockTree) {
    this.#options = options
    this.#ended = AbortSignal.any([options.signal, this.#quit.signal])
    this.#state = startWatch(tree)
    this.#screen = openFullScreen({ onKey: (key) => this.#press(key), onResize: () => this.#show(this.#state) })
  }

  async run(): Promise<void> {
    const ended = new Promise((resolve) => this.#ended.addEventListener('abort', resolve))
    this.#show(this.#state)
    // Who wants to leave does not wait for a database that gives no answer.
    await Promise.race([this.#keepReading(), ended])
  }

  [Symbol.dispose](): void {
    this.#screen[Symbol.dispose]()
  }

  #show(state: WatchState): void {
    this.#state = state
    // An answer may come when the screen has been given back.
    if (this.#ended.aborted) return
    const { database, interval } = this.#options
    const { width, height } = this.#screen
    const { lines, maxScroll } = renderWatch(state, { database, interval, width, height, color: this.#color })
    this.#maxScroll = maxScroll
    this.#screen.draw(lines)
  }

  #press(key: string): void {
    const { state, action } = press(this.#state, key, this.#maxScroll)
    this.#show(state)
    if (action?.kind === 'quit') this.#quit.abort()
    // The terminal does not send it while it hands over every key.
    if (action?.kind === 'interrupt') process.kill(process.pid, 'SIGINT')
    if (action?.kind === 'cancel') void this.#cancel(action.waiter)
  }

  async #cancel(waiter: Waiter): Promise<void> {
    const message = await cancelWait(this.#options.connection, waiter).then(
      (result) => result.message,
      (error: unknown) => `Session ${waiter.pid} was not cancelled: ${messageOf(error)}.`,
    )
    this.#show(showMessage(this.#state, message))
  }

  async #keepReading(): Promise<void> {
    while (!this.#ended.aborted) {
      await setTimeout(this.#options.interval, undefined, { signal: this.#ended }).catch(() => undefined)
      if (!this.#state.paused && !this.#ended.aborted) await this.#read()
    }
  }

  async #read(): Promise<void> {
    const startedAt = performance.now()
    const complain = () => this.#show(showFailure(this.#state, `no answer for ${formatDuration(performance.now() - startedAt)}`))
    const impatience = setInterval(complain, STALE_AFTER)
    try {
      const tree = await this.#options.connection.read()
      this.#show(showTree(this.#state, tree))
    } catch (error) {
      this.#show(showFailure(this.#state, messageOf(error)))
    } finally {
      clearInterval(impatience)
    }
  }
}
