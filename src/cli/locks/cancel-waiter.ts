import { createInterface } from 'node:readline/promises'
import { inOneLine } from '../../report/plain-text.js'
import { ExitCode } from '../exit-code.js'
import type { LocksConnection } from './connect-to-locks.js'
import { describeWaiter, findWaiter, type Waiter, waitsStill } from './waiter.js'

export interface CancelOptions {
  readonly pid: number
  /** Not to be asked. */
  readonly yes: boolean
  readonly signal: AbortSignal
}

/** Cancels the statement of a session that waits, once the user has said yes. Who waits for nothing is left alone. */
export async function cancelWaiter(connection: LocksConnection, { pid, yes, signal }: CancelOptions): Promise<number> {
  const waiter = findWaiter(await connection.read(), pid)
  if (!waiter) {
    console.error(`rowlock locks: Session ${pid} waits for no lock, and was left alone.`)
    return ExitCode.failed
  }
  if (!yes && !process.stdin.isTTY) {
    console.error('rowlock locks: There is no terminal to ask in: say --yes to cancel without being asked.')
    return ExitCode.usage
  }
  if (!yes && !(await isConfirmed(inOneLine(`Cancel the statement of ${describeWaiter(waiter)}? [y/N]`), signal))) {
    console.log('Nothing was cancelled.')
    return ExitCode.ok
  }
  const { cancelled, message } = await cancelWait(connection, waiter)
  if (cancelled) console.log(message)
  else console.error(`rowlock locks: ${message}`)
  return cancelled ? ExitCode.ok : ExitCode.failed
}

export interface CancelResult {
  readonly cancelled: boolean
  /** What was done, in a line. */
  readonly message: string
}

/** Cancels the statement of a session, unless it has stopped waiting since the user was asked, or waits for something else. */
export async function cancelWait(connection: LocksConnection, waiter: Waiter): Promise<CancelResult> {
  const { pid } = waiter
  const cancelled = waitsStill(waiter, findWaiter(await connection.read(), pid)) && (await connection.cancel(pid))
  const message = cancelled
    ? `Cancelled the statement of ${describeWaiter(waiter)}.`
    : `Session ${pid} no longer waits for that lock, and was left alone.`
  return { cancelled, message: inOneLine(message) }
}

async function isConfirmed(question: string, signal: AbortSignal): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} `, { signal })).trim())
  } finally {
    terminal.close()
  }
}
