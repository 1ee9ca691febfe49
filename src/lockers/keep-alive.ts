import { errorSqlState } from '../core/error-sql-state.js'
import { asDriverError } from '../core/explain-pg-error.js'
import { SQL_STATE } from '../core/sql-state.js'

// In milliseconds.
const INTERVAL = 1_000
const ANSWER_LIMIT = 5_000

/**
 * Asks a session every second whether it is still there, until stopped. A dead connection that nobody uses
 * says nothing by itself; and servers and firewalls close those that are idle for long. A session whose
 * transaction is aborted is there: a savepoint may undo the failure, and otherwise COMMIT will tell.
 *
 * @param ping Asks; undefined when another statement is under way, which ends by itself if the session does.
 * @param onGone Called once, with why, when `ping` fails or has no answer for 5 seconds.
 * @returns What stops it.
 */
export function keepAlive(ping: () => PromiseLike<unknown> | undefined, onGone: (why: string, cause?: unknown) => void): () => void {
  let timer = setTimeout(beat, INTERVAL)
  let stopped = false

  function beat(): void {
    const answer = ping()
    if (!answer) return again()
    timer = setTimeout(() => end('the server no longer answers'), ANSWER_LIMIT)
    answer.then(again, (error: unknown) => (isAborted(error) ? again() : end('its session is gone', error)))
  }

  function again(): void {
    clearTimeout(timer)
    if (!stopped) timer = setTimeout(beat, INTERVAL)
  }

  function end(why: string, cause?: unknown): void {
    if (stopped) return
    stop()
    onGone(why, cause)
  }

  function stop(): void {
    stopped = true
    clearTimeout(timer)
  }

  return stop
}

/** Whether PostgreSQL refused the statement because one before it has failed; the error is one of Prisma or of `pg`. */
function isAborted(error: unknown): boolean {
  return errorSqlState(asDriverError(error)) === SQL_STATE.inFailedTransaction
}
