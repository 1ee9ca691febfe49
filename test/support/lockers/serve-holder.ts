import type { HeldLease, LeaseLocker, RedisLocker } from 'rowlock/lockers'
import type { HolderCommands } from './holder-process.js'
import { serveCommands } from './serve-commands.js'

/** What differs between the kinds of holders: how they write under a lease, and how they leave. */
type OwnCommands = Pick<HolderCommands, 'write' | 'writeUnguarded'> & Partial<Pick<HolderCommands, 'begin' | 'finish'>>

/** In a holder's process: holds leases of `locker` and never looks at their signals, as a `HolderProcess` tells it. */
export function serveHolder(
  locker: LeaseLocker | RedisLocker,
  close: () => Promise<unknown>,
  ownCommands: (tokenOf: (key: string) => bigint) => OwnCommands,
): void {
  const leases = new Map<string, HeldLease>()
  const commands: Partial<HolderCommands> = {
    async hold(key) {
      const held = await locker.acquire(key)
      leases.set(key, held)
      return held.fencingToken
    },
    async release(key) {
      await leases.get(key)!.release()
    },
    async whyLost(key) {
      const { signal } = leases.get(key)!
      return signal.aborted ? (signal.reason as { code: string }).code : undefined
    },
    async leave() {
      await close()
      process.disconnect()
    },
    ...ownCommands((key) => leases.get(key)!.fencingToken),
  }
  serveCommands(commands)
}
