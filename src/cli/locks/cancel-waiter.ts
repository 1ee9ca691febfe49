import { createInterface } from 'node:readline/promises'
import type { LockSession, LockTree } from '../../monitor/lock-tree-types.js'
import { describeTarget, nameOfSession } from '../../report/describe-lock.js'
import { inOneLine } from '../../report/plain-text.js'
import { ExitCode } from '../exit-code.js'
import type { LocksConnection } from './connect-to-locks.js'

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
  const what = inOneLine(`${pid} ${nameOfSession(waiter)}, which waits for ${describeTarget(waiter.wait!.target)}`)
  if (!yes && !(await isConfirmed(`Cancel the statement of ${what}? [y/N] `, signal))) {
    console.log('Nothing was cancelled.')
    return ExitCode.ok
  }
  if (!(await connection.cancel(pid))) {
    console.error(`rowlock locks: Session ${pid} is gone.`)
    return ExitCode.failed
  }
  console.log(`Cancelled the statement of ${what}.`)
  return ExitCode.ok
}

function findWaiter({ roots }: LockTree, pid: number): LockSession | undefined {
  const seen = new Set<LockSession>(roots)
  // The set grows while it is walked.
  for (const session of seen) {
    if (session.pid === pid && session.wait) return session
    for (const waiter of session.waiters) seen.add(waiter)
  }
  return undefined
}

async function isConfirmed(question: string, signal: AbortSignal): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return /^y(es)?$/i.test((await terminal.question(question, { signal })).trim())
  } finally {
    terminal.close()
  }
}
