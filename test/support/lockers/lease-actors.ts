import { PrismaPg } from '@prisma/adapter-pg'
import { leaseLocker } from 'rowlock/lockers'
import { defineRaceActor } from 'rowlock/testing'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { lockedIncrement } from './locked-increment.js'

const TTL = 30_000

/** A client of a process of its own; a lease needs no `rowLocks()`. */
const connect = (url: string) => new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: 4 }) })

export const leaseIncrement = lockedIncrement(({ url }) => {
  const prisma = connect(url)
  return { locker: leaseLocker(prisma, { ttl: TTL }), close: () => prisma.$disconnect() }
})

/** Takes the lease of `key`, and appends its token to the row of `effect` with that key. */
export const appendToken = defineRaceActor({
  connect: async ({ input }: { input: { url: string; key: string } }) => {
    const prisma = connect(input.url)
    await prisma.$queryRaw`SELECT 1`
    const locker = leaseLocker(prisma, { ttl: TTL })
    return { prisma, locker, [Symbol.asyncDispose]: () => prisma.$disconnect() }
  },
  run: ({ client: { prisma, locker }, input: { key } }) =>
    locker.withLock(key, async ({ fencingToken }) => {
      await prisma.$executeRaw`UPDATE effect SET tokens = tokens || ${fencingToken}::bigint WHERE key = ${key}`
    }),
})
