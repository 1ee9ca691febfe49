import type { LockSession, LockTree } from '../../monitor/lock-tree-types.js'
import { describeTarget, titleOf } from '../../report/describe-lock.js'

/** A session that waits for a lock. */
export type Waiter = Pick<LockSession, 'pid' | 'label' | 'applicationName' | 'wait'>

/** `3107 worker, which waits for Wallet id = 7` */
export const describeWaiter = (waiter: Waiter): string => `${titleOf(waiter)}, which waits for ${describeTarget(waiter.wait!.target)}`

/** Whether a session, as it is now, waits for what it waited for before. */
export const waitsStill = (before: Waiter, now: Waiter | undefined): boolean =>
  now?.wait !== undefined && describeTarget(now.wait.target) === describeTarget(before.wait!.target)

export function findWaiter({ roots }: LockTree, pid: number): Waiter | undefined {
  const seen = new Set<LockSession>(roots)
  // The set grows while it is walked.
  for (const session of seen) {
    if (session.pid === pid && session.wait) return session
    for (const waiter of session.waiters) seen.add(waiter)
  }
  return undefined
}
