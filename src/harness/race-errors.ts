import { RowLockError, type RowLockErrorDetails } from '../core/errors.js'
import type { RaceResult } from './race-result.js'

/** The base of the errors that end a race early: `result` is what had happened by then. */
export abstract class RaceError extends RowLockError {
  readonly retryable = false
  /** What had happened by then. */
  readonly result: RaceResult

  constructor(message: string, result: RaceResult, details?: RowLockErrorDetails) {
    super(`${message} ${summarize(result)}`, details)
    this.result = result
  }
}

/** The caller's `signal` was aborted before every request had settled; `cause` is its reason. */
export class RaceAbortedError extends RaceError {
  readonly code = 'RACE_ABORTED'

  constructor(reason: unknown, result: RaceResult) {
    super('The race was aborted.', result, { cause: reason })
  }
}

/** The race took longer than its `deadline`. */
export class RaceDeadlineError extends RaceError {
  readonly code = 'RACE_DEADLINE'
  /** The limit that was exceeded, in milliseconds. */
  readonly deadline: number

  constructor(deadline: number, result: RaceResult) {
    super(`The race did not end within its deadline of ${deadline} ms.`, result)
    this.deadline = deadline
  }
}

/** An actor's client could not be created or closed; `cause` is its error. */
export class RaceClientError extends RaceError {
  readonly code = 'RACE_CLIENT_FAILED'
  /** The actor whose client it was, from 0. */
  readonly actor: number

  constructor(actor: number, problem: string, cause: unknown, result: RaceResult) {
    super(`The client of actor ${actor} ${problem}.`, result, { cause })
    this.actor = actor
  }
}

/** Where in its life a worker process failed. */
export type RaceProcessPhase = 'start' | 'load' | 'connect' | 'run' | 'disconnect'

/** What is known about a worker process that failed. */
export interface RaceProcessFailure {
  /** The worker process, from 0. */
  readonly process: number
  readonly phase: RaceProcessPhase
  /** What happened, to follow "Worker process 2 ". */
  readonly problem: string
  readonly exitCode?: number | null | undefined
  readonly exitSignal?: string | null | undefined
  readonly cause?: unknown
}

/** A worker process could not load its module, failed outside a request, crashed or exited early. */
export class RaceProcessError extends RaceError {
  readonly code = 'RACE_PROCESS_FAILED'
  /** The worker process, from 0. */
  readonly process: number
  /** What it was doing: `load` its module, `connect`, `run` requests or `disconnect`. */
  readonly phase: RaceProcessPhase
  /** Its exit code; null when a signal ended it or it was still running. */
  readonly exitCode: number | null
  /** The signal that ended it, `SIGKILL`; null when none did. */
  readonly exitSignal: string | null

  constructor(failure: RaceProcessFailure, result: RaceResult) {
    super(`Worker process ${failure.process} ${failure.problem}.`, result, { cause: failure.cause })
    this.process = failure.process
    this.phase = failure.phase
    this.exitCode = failure.exitCode ?? null
    this.exitSignal = failure.exitSignal ?? null
  }
}

function summarize({ requests, fulfilled, rejected, unsettled, notStarted }: RaceResult): string {
  return `Of ${requests} requests ${fulfilled} had succeeded, ${rejected} failed, ${unsettled} were unsettled and ${notStarted} not started.`
}
