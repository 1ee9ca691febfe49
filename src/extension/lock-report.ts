import type { SqlResultSet } from '../adapter/driver-adapter.js'
import type { LockObserver, SeenWait } from '../adapter/lock-observer.js'
import { isRowLockError } from '../core/errors.js'
import type { Emitter } from '../events/emitter.js'
import type { LockEventStrength } from '../events/row-lock-event.js'
import type { TraceScope } from '../events/telemetry.js'

/** What the events of one lock say about it. */
export interface ReportedLock {
  readonly model?: string | undefined
  readonly table?: string | undefined
  readonly key: unknown
  readonly strength: LockEventStrength
  readonly label: string | undefined
}

/** Makes events of what becomes of one lock. There is none while nobody listens. */
export class LockReport implements LockObserver {
  readonly slowLock: number
  readonly #emitter: Emitter
  readonly #lock: ReportedLock
  readonly #scope: TraceScope
  #wait: SeenWait | undefined
  #answered = false

  /** To be made where the caller calls: what the adapter tells comes in the async context of some query of the same tick. */
  constructor(emitter: Emitter, lock: ReportedLock) {
    this.slowLock = emitter.slowLock
    this.#emitter = emitter
    this.#lock = lock
    this.#scope = emitter.currentScope()
  }

  slow({ waited, blockers }: SeenWait): void {
    this.#emitter.emit({ type: 'lock.slow', ...this.#now(), waited, blockers }, this.#scope)
  }

  granted({ rows }: SqlResultSet, duration: number, wait: SeenWait | undefined): boolean {
    if (wait) this.#emitter.emit({ type: 'lock.waited', ...this.#now(), ...wait }, this.#scope)
    // `pg_try_advisory_xact_lock` says no, which the caller makes an error of.
    if (this.#lock.model === undefined && rows[0]?.[0] === 'false') return false
    this.#answered = true
    if (rows.length === 0) return false
    const waited = wait?.waited
    this.#emitter.emit({ type: 'lock.acquired', ...this.#now(), duration, waited, rows: rows.length }, this.#scope)
    return true
  }

  failed(wait: SeenWait | undefined): void {
    this.#wait = wait
  }

  released(held: number): void {
    this.#emitter.emit({ type: 'lock.released', ...this.#now(), held }, this.#scope)
  }

  /** Tells of an error of the call, if it is about the lock: the related rows of an `include` are read when it is granted. */
  refused(error: unknown): void {
    if (this.#answered || !isRowLockError(error)) return
    const { waited, blockers = [] } = this.#wait ?? {}
    if (waited !== undefined) this.#emitter.emit({ type: 'lock.waited', ...this.#now(), waited, blockers, error }, this.#scope)
    const holders = error.blockers ?? blockers
    this.#emitter.emit({ type: 'lock.refused', ...this.#now(), error, waited, blockers: holders }, this.#scope)
  }

  #now() {
    return { at: new Date(), ...this.#lock }
  }
}
