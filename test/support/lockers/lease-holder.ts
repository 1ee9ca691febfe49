// A process that takes leases and writes under them, as it is told. It never looks at a lease's signal.
import './shifted-clock.js'
import { PrismaPg } from '@prisma/adapter-pg'
import { lockable, rowLocks } from 'rowlock'
import { leaseLocker } from 'rowlock/lockers'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { serveHolder } from './serve-holder.js'
import { POOLED } from '../through-pooler.js'

const [url, ttl] = process.argv.slice(2)
const prisma = new PrismaClient({ adapter: lockable(new PrismaPg({ connectionString: url, max: 3 }), POOLED) }).$extends(rowLocks())
const locker = leaseLocker(prisma, { ttl: Number(ttl) })
const begun = new Map<string, { goOn: () => void; result: Promise<string> }>()

/** Appends the lease's token to those that have been written: in the order in which the writes are committed. */
function write(key: string, token: bigint, { guarded, paused }: { guarded: boolean; paused?: () => Promise<void> }): Promise<string> {
  return prisma.$transaction(
    async (tx) => {
      if (guarded) await locker.guardedWrite(tx, token)
      await paused?.()
      await tx.$executeRaw`UPDATE effect SET tokens = tokens || ${token}::bigint WHERE key = ${key}`
      return 'written'
    },
    { timeout: 60_000 },
  )
}

await prisma.$queryRaw`SELECT 1`

serveHolder(
  locker,
  () => prisma.$disconnect(),
  (tokenOf) => ({
    write: (key) => write(key, tokenOf(key), { guarded: true }),
    writeUnguarded: (key) => write(key, tokenOf(key), { guarded: false }),
    begin: (key) =>
      new Promise((isGuarded, isRefused) => {
        let goOn!: () => void
        const toGoOn = new Promise<void>((resolve) => (goOn = resolve))
        const result = write(key, tokenOf(key), {
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
  }),
)
