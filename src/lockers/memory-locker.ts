import { createLocker } from './create-locker.js'
import type { Locker } from './locker.js'

/**
 * Locks by key within this process: a mutex, and a readers-writer lock with `shared`. First come, first
 * served for each key; a waiting writer is not passed by later readers; a key takes memory only while it
 * is held. Nothing is asked of any server, and other processes are not excluded.
 *
 * @returns A locker of its own: two of them do not know each other.
 * @example
 * ```ts
 * const users = memoryLocker()
 * await users.withLock('user-1', async () => console.log('one at a time'))
 *
 * await using held = await users.acquire('user-2', { shared: true, timeout: 1_000 })
 * console.log(held.key)
 * ```
 */
export function memoryLocker(): Locker {
  return createLocker({ take: async () => NOTHING_TO_GIVE_BACK })
}

const NOTHING_TO_GIVE_BACK = { release: async () => undefined }
