// A process that takes leases and writes under them, as it is told. It never looks at a lease's signal.
import './shifted-clock.js'
import { PrismaPg } from '@prisma/adapter-pg'
import { isRowLockError, lockable, rowLocks } from 'rowlock'
import { type HeldLease, leaseLocker } from 'rowlock/lockers'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import type { HolderCommands, HolderRequest } from './holder-process.js'

const [url, ttl] = process.argv.slice(2)
const prisma = new PrismaClient({ adapter: lockable(new PrismaPg({ connectionString: url, max: 3 })) }).$extends(rowLocks())
const locker = leaseLocker(prisma, { ttl: Number(ttl) })
const leases = new Map<string, HeldLease>()
const begun = new Map<string, { goOn: () => void; result: Promise<string> }>()

/** Appends the lease's token to those that have been written: in the order in which the writes are committed. */
function write(key: string, { guarded, paused }: { guarded: boolean; paused?: () => Promise<void> }): Promise<string> {
  const { fencingToken } = leases.get(key)!
  return prisma.$transaction(
    async (tx) => {
      if (guarded) await locker.guardedWrite(tx, fencingToken)
      await paused?.()
      await tx.$executeRaw`UPDATE effect SET tokens = tokens || ${fencingToken}::bigint WHERE key = ${key}`
      return 'written'
    },
    { timeout: 60_000 },
  )
}

const commands: HolderCommands = {
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
  write: (key) => write(key, { guarded: true }),
  writeUnguarded: (key) => write(key, { guarded: false }),
  begin: (key) =>
    new Promise((isGuarded, isRefused) => {
      let goOn!: () => void
      const toGoOn = new Promise<void>((resolve) => (goOn = resolve))
      const result = write(key, {
        guarded: true,
        paused: () => {
          isGuarded()
          return toGoOn
        },
      })
      result.catch(isRefused)
      begun.set(key, { goOn, result })
    }),
  finish(key) {
    const { goOn, result } = begun.get(key)!
    goOn()
    return result
  },
  async leave() {
    await prisma.$disconnect()
    process.disconnect()
  },
}

process.on('message', ({ id, command, key }: HolderRequest) => {
  commands[command](key).then(
    (value) => void (process.connected && process.send!({ id, value })),
    (error: unknown) => void process.send!({ id, error: isRowLockError(error) ? error.code : String(error) }),
  )
})
await prisma.$queryRaw`SELECT 1`
process.send!({ id: 0 })
