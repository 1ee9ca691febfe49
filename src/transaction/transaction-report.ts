import type { RowLockError } from '../core/errors.js'
import type { Emitter } from '../events/emitter.js'
import type { TraceScope } from '../events/telemetry.js'
import type { GateSettings } from './gate.js'

/** Tells the listeners of a client how one transaction fares. There is none while nobody listens. */
export class TransactionReport {
  readonly #emitter: Emitter
  readonly #label: string | undefined
  readonly #begun = performance.now()
  #scope: TraceScope
  #queued = 0

  constructor(emitter: Emitter, label: string | undefined) {
    this.#emitter = emitter
    this.#label = label
  }

  /** Runs `run`, all attempts of it, in a span. */
  inTransaction<R>(run: () => Promise<R>): Promise<R> {
    const attributes = { 'rowlock.transaction.label': this.#label }
    return this.#emitter.inSpan({ name: 'transaction', attributes }, undefined, (scope) => {
      this.#scope = scope
      return run()
    })
  }

  inAttempt<R>(number: number, run: () => Promise<R>): Promise<R> {
    const attributes = { 'rowlock.transaction.label': this.#label, 'rowlock.transaction.attempt': number }
    return this.#emitter.inSpan({ name: 'transaction attempt', attributes }, this.#scope, run)
  }

  queued({ name }: GateSettings, position: number): void {
    this.#emitter.emit({ type: 'gate.queued', ...this.#now(), key: name, position }, this.#scope)
  }

  /** How long it was at a gate, which may have been no time. */
  passedGate(milliseconds: number): void {
    this.#queued += milliseconds
  }

  retried(attempt: number, error: RowLockError, delay: number): void {
    this.#emitter.emit({ type: 'transaction.retried', ...this.#now(), attempt, error, delay }, this.#scope)
  }

  committed(attempts: number): void {
    const duration = performance.now() - this.#begun
    this.#emitter.emit({ type: 'transaction.committed', ...this.#now(), attempts, duration, queued: this.#queued }, this.#scope)
  }

  #now() {
    return { at: new Date(), label: this.#label }
  }
}
