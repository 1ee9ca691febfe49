import { randomUUID } from 'node:crypto'
import type { LeaseGrant } from './lease.js'
import type { LeaseAnswer, LeaseStore } from './lease-store.js'
import type { LockWait } from './lock-wait.js'
import { untilAborted } from './until-aborted.js'

/** A lease that was not granted: how long the present holder's has left, in milliseconds, where that is known. */
export interface LeaseRefusal {
  readonly remaining: number | null
}

/**
 * Asks for a lease once.
 *
 * @throws `wait.refusal()` when it is not free and the caller does not wait; the reason for which the wait
 *   has ended; the store's error.
 */
export async function askForLease(store: LeaseStore, wait: LockWait): Promise<LeaseGrant | LeaseRefusal> {
  const owner = randomUUID()
  const askedAt = performance.now()
  const { token, remaining } = await answerFor(store, wait, owner)
  if (token !== null) return { key: wait.key, owner, token, askedAt }
  if (wait.nowait) throw wait.refusal()
  return { remaining }
}

/** A caller that has left, or was not answered, may yet be granted the lease: it is given back. */
async function answerFor(store: LeaseStore, { key, shared, nowait, signal }: LockWait, owner: string): Promise<LeaseAnswer> {
  const asked = store.take({ key, shared, waits: !nowait }, owner)
  try {
    return await untilAborted(asked, signal)
  } catch (error) {
    void asked
      .catch(() => undefined)
      .then(() => store.release(key, owner))
      .catch(() => undefined)
    throw error
  }
}
