import { PrismaPg } from '@prisma/adapter-pg'
import { Redis } from 'ioredis'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import postgres from 'postgres'
import { lockable, rowLocks } from 'rowlock'
import { advisoryLocker, leaseLocker, memoryLocker, redisLocker, rowLocker } from 'rowlock/lockers'
import { createWallet } from 'rowlock/repositories'
import { startDatabase } from 'rowlock/testing'
import { PrismaClient } from '../../src/generated/prisma/client.js'

const USERS = 50

/** A database with rows for every function, and the clients to reach it. */
export type World = Awaited<ReturnType<typeof createWorld>>

export async function createWorld() {
  const database = await startDatabase({ migrations: 'prisma/migrations' })
  const pool = quiet(new pg.Pool({ connectionString: database.url, max: 12 }))
  const lockerPool = quiet(new pg.Pool({ connectionString: database.url, max: 8 }))
  const sql = postgres(database.url, { max: 1, onnotice: () => undefined })
  const plain = new PrismaClient({ adapter: lockable(new PrismaPg(pool)) })
  const prisma = plain.$extends(rowLocks())
  await prisma.user.createMany({ data: Array.from({ length: USERS }, (_, index) => ({ id: index + 1, name: `user ${index + 1}` })) })
  await prisma.wallet.createMany({ data: Array.from({ length: USERS }, (_, index) => ({ id: index + 1, userId: index + 1, balance: 0 })) })
  await prisma.company.create({ data: { id: 1, name: 'Acme', count: 1_000 } })
  await prisma.event.create({ data: { id: 1, name: 'concert', remaining: 1_000_000 } })
  await prisma.ticket.createMany({ data: Array.from({ length: 2_000 }, (_, seat) => ({ eventId: 1, seat })) })
  await prisma.job.createMany({ data: Array.from({ length: 2_000 }, () => ({})) })
  const redis = process.env['REDIS_URL'] ? new Redis(process.env['REDIS_URL'], { maxRetriesPerRequest: 1 }) : undefined
  let numbers = 0
  return {
    database,
    /** Without `rowLocks()`. */
    plain,
    prisma,
    pool,
    lockerPool,
    sql,
    redis,
    /** Another one each time, so that calls do not wait for each other. */
    next: () => ++numbers,
    user: () => (++numbers % USERS) + 1,
    memory: memoryLocker(),
    leases: leaseLocker(prisma, { ttl: 1_000 }),
    rows: rowLocker(prisma, 'user', { maxHold: 1_000 }),
    transactions: advisoryLocker(prisma, { maxHold: 1_000 }),
    sessions: advisoryLocker(lockerPool, { scope: 'session', maxHold: 1_000 }),
    redisLocks: redis && redisLocker(redis, { ttl: 1_000, prefix: 'rowlock-hostile:' }),
    wallet: createWallet(prisma, { coalesce: {} }),
    async [Symbol.asyncDispose]() {
      redis?.disconnect()
      await prisma.$disconnect()
      // A connection that was not given back is what one of the controls leaves, and would be waited for.
      await Promise.race([Promise.all([pool.end(), lockerPool.end()]), sleep(1_000, undefined, { ref: false })])
      await sql.end({ timeout: 1 })
      await database.stop()
    },
  }
}

/** A connection that the end of the server cuts is nobody's concern any more. */
function quiet(pool: pg.Pool): pg.Pool {
  pool.on('error', () => undefined)
  pool.on('connect', (client) => void client.on('error', () => undefined))
  return pool
}
