// A process whose clock is wrong by `SHIFT_CLOCK` milliseconds; it does as it is told and says what came of it.
import '../../test/support/lockers/shifted-clock.js'
import { Redis } from 'ioredis'
import { PrismaPg } from '@prisma/adapter-pg'
import { lockable, rowLocks } from 'rowlock'
import { claim, complete, extend, fail, type HeldLease, leaseLocker, once, redisLocker, sweepOnce } from 'rowlock/lockers'
import { signIn } from 'rowlock/repositories'
import { PrismaClient, type Job } from '../../src/generated/prisma/client.js'
import { redisUrl } from '../../test/support/lockers/redis.js'
import { serveCommands } from '../../test/support/lockers/serve-commands.js'
import { HALF_AN_HOUR, MINUTE } from './clock-times.js'

/** What the process can be told. What fails resolves with the error's code. */
export interface ClockCommands {
  /** What it takes for the time, in milliseconds. */
  now(): Promise<number>
  /** Takes the lease of the key if it is free, and resolves with its token. */
  lease(key: string): Promise<unknown>
  releaseLease(key: string): Promise<unknown>
  redisLock(key: string): Promise<unknown>
  releaseRedisLock(key: string): Promise<unknown>
  /** Claims a job of the queue for a minute, and resolves with the attempt, or 0. */
  claim(queue: string): Promise<unknown>
  /** As someone would who compares with his own clock. */
  claimByOwnClock(queue: string): Promise<unknown>
  extend(queue: string): Promise<unknown>
  complete(queue: string): Promise<unknown>
  /** To be tried again after half an hour. */
  failForNow(queue: string): Promise<unknown>
  /** Runs something once under the key. */
  once(key: string): Promise<unknown>
  /** Forgets what was run once more than half an hour ago, and resolves with how many. */
  sweep(): Promise<unknown>
  /** Signs the user in, in a day that starts at that time: `7 23:15`. Resolves with the day. */
  signIn(userAndStart: string): Promise<unknown>
  /** As someone would who passes his own time. */
  signInByOwnClock(userAndStart: string): Promise<unknown>
}

const [url, ttl, prefix] = process.argv.slice(2) as [string, string, string]
const prisma = new PrismaClient({ adapter: lockable(new PrismaPg({ connectionString: url, max: 4 })) }).$extends(rowLocks())
const leases = leaseLocker(prisma, { ttl: Number(ttl) })
const redis = redisUrl === undefined ? undefined : new Redis(redisUrl)
const redisLocks = redis && redisLocker(redis, { ttl: Number(ttl), prefix })
const held = new Map<string, HeldLease>()
const jobs = new Map<string, Job>()

async function keep(key: string, lease: Promise<HeldLease>): Promise<bigint> {
  held.set(key, await lease)
  return held.get(key)!.fencingToken
}

async function signInAt(userAndStart: string, now?: Date): Promise<string> {
  const [userId, dayStartsAt] = userAndStart.split(' ') as [string, string]
  return (await signIn(prisma, { userId: Number(userId), ...(now && { now }) }, { dayStartsAt })).day
}

async function claimByOwnClock(queue: string): Promise<number> {
  const now = new Date()
  const free = { queue, completedAt: null, OR: [{ leaseExpiresAt: null }, { leaseExpiresAt: { lt: now } }] }
  const { count } = await prisma.job.updateMany({
    where: free,
    data: { attempt: { increment: 1 }, leaseExpiresAt: new Date(now.getTime() + MINUTE) },
  })
  return count
}

await prisma.$queryRaw`SELECT 1`

const commands: ClockCommands = {
  now: async () => Date.now(),
  lease: (key) => keep(key, leases.acquire(key, { nowait: true })),
  releaseLease: (key) => held.get(key)!.release(),
  redisLock: (key) => keep(key, redisLocks!.acquire(key, { nowait: true })),
  releaseRedisLock: (key) => held.get(key)!.release(),
  async claim(queue) {
    const [job] = await claim(prisma.job, { where: { queue }, lease: MINUTE })
    if (job) jobs.set(queue, job)
    return job?.attempt ?? 0
  },
  claimByOwnClock,
  extend: async (queue) => (await extend(prisma.job, jobs.get(queue)!, { lease: MINUTE })).attempt,
  complete: async (queue) => (await complete(prisma.job, jobs.get(queue)!)).attempt,
  failForNow: async (queue) => (await fail(prisma.job, jobs.get(queue)!, { error: 'for now', retryIn: HALF_AN_HOUR })).attempt,
  once: (key) => once(prisma, key, {}, async () => 'done'),
  sweep: () => sweepOnce(prisma, { olderThan: HALF_AN_HOUR }),
  signIn: (userAndStart) => signInAt(userAndStart),
  signInByOwnClock: (userAndStart) => signInAt(userAndStart, new Date()),
}

serveCommands({ ...commands })
