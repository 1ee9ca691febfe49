import { fork, type ChildProcess } from 'node:child_process'
import type { RaceProcessFailure, RaceProcessPhase } from './race-errors.js'
import type { MessageToParent, MessageToWorker, RaceAssignment } from './race-messages.js'
import type { RaceEvent } from './race-tally.js'
import { within } from '../core/within.js'

/** How long a worker may take to end by itself before it is killed. */
const END_TIMEOUT = 5_000
const ABORT_TIMEOUT = 1_000

/** Where a worker's standard output goes: to ours, or to our standard error. */
export type WorkerOutput = 'stdout' | 'stderr'

export interface RaceProcessOptions {
  readonly worker: URL
  readonly execArgv: readonly string[]
  readonly stdout: WorkerOutput
  readonly assignment: RaceAssignment
  readonly onEvents: (events: readonly RaceEvent[]) => void
  readonly onFailure: (failure: RaceProcessFailure) => void
}

/**
 * One worker process, seen from its parent. States: starting -> ready -> running -> drained ->
 * ending -> gone. An exit in any state before ending is reported as a failure.
 */
export class RaceProcess {
  readonly ready: Promise<void>
  readonly drained: Promise<void>
  /** Resolves when the process has exited and every message it sent has been read. */
  readonly gone: Promise<void>
  readonly #child: ChildProcess
  readonly #options: RaceProcessOptions
  #phase: RaceProcessPhase = 'start'
  #ending = false

  constructor(options: RaceProcessOptions) {
    this.#options = options
    const { worker, execArgv, stdout, assignment } = options
    // No execArgv of the parent: a test runner's flags and an inspector's port are not the worker's.
    this.#child = fork(worker, {
      execArgv: [...execArgv],
      serialization: 'advanced',
      stdio: ['ignore', stdout === 'stderr' ? 2 : 'inherit', 'inherit', 'ipc'],
    })
    this.gone = this.#whenGone()
    this.ready = this.#whenSaid('ready')
    this.drained = this.#whenSaid('drained')
    this.#child.on('message', (message: MessageToParent) => this.#onMessage(message))
    this.#phase = 'load'
    this.#send(assignment)
  }

  start(): void {
    this.#phase = 'run'
    this.#send({ type: 'start' })
  }

  /** Lets the worker close its client and exit. */
  async end(): Promise<void> {
    this.#phase = 'disconnect'
    const ended = this.#whenSaid('ended').then(() => (this.#ending = true))
    this.#send({ type: 'end' })
    if ((await within(Promise.race([ended, this.gone]), END_TIMEOUT)) === 'late') {
      this.#fail({ problem: `did not disconnect within ${END_TIMEOUT} ms` })
    }
    await this.#killAfter(ABORT_TIMEOUT)
  }

  /** Ends the worker whatever it is doing: an abort first, then SIGKILL. */
  async abort(message: string): Promise<void> {
    this.#ending = true
    this.#send({ type: 'abort', message })
    await this.#killAfter(ABORT_TIMEOUT)
  }

  async #killAfter(timeout: number): Promise<void> {
    if ((await within(this.gone, timeout)) !== 'late') return
    this.#child.kill('SIGKILL')
    await this.gone
  }

  #onMessage(message: MessageToParent): void {
    if (message.type === 'events') this.#options.onEvents(message.events)
    else if (message.type === 'failed') this.#onFailed(message)
  }

  #onFailed({ phase, problem, error, stack }: MessageToParent & { type: 'failed' }): void {
    const { name, code } = error
    const cause = Object.assign(new Error(error.message), { name, code, stack })
    this.#phase = phase
    this.#fail({ problem: `${problem}: ${error.name}: ${error.message}`, cause })
  }

  #fail(failure: Pick<RaceProcessFailure, 'problem' | 'exitCode' | 'exitSignal' | 'cause'>): void {
    if (this.#ending) return
    this.#ending = true
    this.#options.onFailure({ process: this.#options.assignment.process, phase: this.#phase, ...failure })
  }

  #whenSaid(type: MessageToParent['type']): Promise<void> {
    return new Promise((resolve) => {
      this.#child.on('message', (message: MessageToParent) => {
        if (message.type === type) resolve()
      })
    })
  }

  async #whenGone(): Promise<void> {
    const child = this.#child
    // 'exit' may come before the last messages are read; 'disconnect' comes after them.
    const disconnected = new Promise<void>((resolve) => child.once('disconnect', () => resolve()))
    const exited = new Promise<void>((resolve) => {
      child.once('exit', () => resolve())
      child.on('error', (cause) => {
        this.#fail({ problem: 'could not start', cause })
        if (child.pid === undefined) resolve()
      })
    })
    // A worker whose channel is gone can no longer be told to end.
    void disconnected.then(() => within(exited, ABORT_TIMEOUT)).then(() => child.kill('SIGKILL'))
    await exited
    if (child.connected) await disconnected
    const { exitCode, signalCode: exitSignal } = child
    const how = exitSignal === null ? `exited with code ${exitCode}` : `was ended by ${exitSignal}`
    this.#fail({ problem: `${how} before the race had ended`, exitCode, exitSignal })
  }

  #send(message: MessageToWorker): void {
    // A worker that is gone has been reported by its exit; the failed send adds nothing.
    if (this.#child.connected) this.#child.send(message, () => undefined)
  }
}
