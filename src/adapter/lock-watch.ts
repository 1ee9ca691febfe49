import { findWaits, type FoundWait } from './lock-waits.js'
import type { LockObserver, SeenWait } from './lock-observer.js'
import type { SideConnection } from './side-connection.js'

/** A statement that may wait for a lock. */
export interface WatchedStatement {
  readonly sql: string
  readonly pid: () => number | undefined
  readonly observer: LockObserver
}

/** Also: when it is to be looked at next, and what was seen of it. Times are of `performance.now()`. */
interface Watched extends WatchedStatement {
  due: number
  pause: number
  waitingSince: number | undefined
  wait: SeenWait | undefined
  toldSlow: boolean
}

// In milliseconds. Nearly every statement is answered before the first look, and costs the server nothing.
const FIRST_LOOK = 20
const LONGEST_PAUSE = 1_000
// Those that are due at about the same time share a question.
const SLACK = 5

/**
 * Asks PostgreSQL which of the statements under way wait for a lock: the protocol does not say, and the time that a
 * statement takes is no proof. One question at a time, for all statements that are due; each is looked at after 20 ms, then
 * ever more seldom until it is seen waiting, then once more when the wait is slow.
 *
 * ```
 * watched ──20 ms, 40, 80 …──▶ not waiting ──▶ … ──▶ waiting ──slowLock──▶ slow ──▶ looked at no more
 *    └────────────────┴── answered ─┴──────────────────────┴──────────────────┴──▶ done
 * ```
 */
export class LockWatch {
  readonly #side: SideConnection
  readonly #watched = new Set<Watched>()
  #timer: NodeJS.Timeout | undefined
  #timerDue = Infinity
  #looking = false

  constructor(side: SideConnection) {
    this.#side = side
  }

  /** @returns What to call when the statement is answered: it says whether it was seen to wait. */
  watch(statement: WatchedStatement): () => SeenWait | undefined {
    const { slowLock } = statement.observer
    const pause = Math.min(FIRST_LOOK, slowLock)
    const watched: Watched = {
      ...statement,
      due: performance.now() + pause,
      pause,
      waitingSince: undefined,
      wait: undefined,
      toldSlow: false,
    }
    this.#watched.add(watched)
    this.#wakeAt(watched.due)
    return () => {
      this.#watched.delete(watched)
      const { wait, waitingSince } = watched
      return wait && { ...wait, waited: performance.now() - waitingSince! }
    }
  }

  #wakeAt(due: number): void {
    if (this.#looking || due >= this.#timerDue) return
    clearTimeout(this.#timer)
    this.#timerDue = due
    // It must not keep the process alive; the statement does.
    this.#timer = setTimeout(() => void this.#wake(), Math.max(0, due - performance.now())).unref()
  }

  async #wake(): Promise<void> {
    this.#timerDue = Infinity
    const now = performance.now() + SLACK
    const due = [...this.#watched].filter((watched) => watched.due <= now)
    if (due.length > 0) await this.#look(due)
    this.#wakeAt(Math.min(Infinity, ...[...this.#watched].map((watched) => watched.due)))
  }

  async #look(due: readonly Watched[]): Promise<void> {
    this.#looking = true
    const asked = due.flatMap(({ sql, pid: pidOf }, id) => {
      const pid = pidOf()
      return pid === undefined ? [] : { id, pid, sql }
    })
    const waits = await findWaits(this.#side, asked)
    this.#looking = false
    for (const [id, watched] of due.entries()) if (this.#watched.has(watched)) note(watched, waits.get(id))
  }
}

function note(watched: Watched, found: FoundWait | undefined): void {
  const now = performance.now()
  const { slowLock } = watched.observer
  if (found) {
    watched.waitingSince ??= now - found.waited
    watched.wait ??= found
    const waited = now - watched.waitingSince
    if (waited >= slowLock && !watched.toldSlow) {
      watched.toldSlow = true
      watched.observer.slow({ waited, blockers: found.blockers })
    }
  }
  watched.pause = Math.min(watched.pause * 2, LONGEST_PAUSE)
  if (watched.toldSlow) watched.due = Infinity
  else watched.due = found ? Math.max(now, watched.waitingSince! + slowLock) : now + watched.pause
}
