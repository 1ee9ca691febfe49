import { Redis } from 'ioredis'
import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { lockable, rowLocks } from 'rowlock'
import { advisoryLocker, claim, complete, extend, leaseLocker, redisLocker, rowLocker } from 'rowlock/lockers'
import type { credit } from 'rowlock/repositories'
import { PrismaClient } from '../../src/generated/prisma/client.js'

/** What a holder works with. */
export interface Tools extends AsyncDisposable {
  readonly prisma: ReturnType<typeof extendedClient>
  readonly pool: Pool
  readonly redis: Redis | undefined
  readonly redisPrefix: string
}

export interface ToolOptions {
  readonly url: string
  readonly poolSize: number
  readonly redisUrl: string | undefined
  readonly redisPrefix: string
}

/** What is done under a lock. */
export interface Work {
  /** Credits the user's wallet, in the transaction `db` or at once. */
  readonly effect: (db: Parameters<typeof credit>[0]) => Promise<unknown>
  /** Called while the lock is held and the effect is done: it resolves when it may be released. */
  readonly pause: (held?: Holding) => Promise<void>
}

/** A hold that others are told of by its token, and that its holder may lose. */
export interface Holding {
  readonly token: bigint
  /** Aborted when it is lost. */
  readonly signal?: AbortSignal
}

/** One way to hold something on behalf of a user: takes it, works, and gives it back. */
export interface Kind {
  /** What has to pass after the holder's death before the next one has it, in milliseconds. */
  readonly lasts: number
  readonly needsRedis?: boolean
  hold(tools: Tools, userId: number, work: Work): Promise<void>
}

// Long enough for a machine with more to do than it can: a holder that cannot renew has rightly lost its lease.
export const TTL = 3_000
// None of the limits of a transaction is to end it before the process is killed.
const LONG = 120_000
const TRANSACTION = { timeout: LONG, maxWait: LONG, lockTimeout: LONG }
const HOLD = { maxHold: LONG, maxWait: LONG }

function extendedClient(pool: Pool) {
  return new PrismaClient({ adapter: lockable(new PrismaPg(pool)) }).$extends(rowLocks())
}

export function connectTools({ url, poolSize, redisUrl, redisPrefix }: ToolOptions): Tools {
  const pool = new Pool({ connectionString: url, max: poolSize })
  const redis = redisUrl === undefined ? undefined : new Redis(redisUrl)
  return {
    prisma: extendedClient(pool),
    pool,
    redis,
    redisPrefix,
    async [Symbol.asyncDispose]() {
      await pool.end()
      await redis?.quit()
    },
  }
}

const name = (userId: number) => `user ${userId}`

export const KINDS = {
  $transactionWithRetry: {
    lasts: 0,
    hold: ({ prisma }, userId, { effect, pause }) =>
      prisma.$transactionWithRetry(async (tx) => {
        await tx.user.findUniqueOrThrow({ where: { id: userId }, lock: 'forNoKeyUpdate' })
        await effect(tx)
        await pause()
      }, TRANSACTION),
  },
  withLock: {
    lasts: 0,
    hold: ({ prisma }, userId, { effect, pause }) =>
      prisma.wallet.withLock(
        { where: { userId } },
        async (_, tx) => {
          await effect(tx)
          await pause()
        },
        TRANSACTION,
      ),
  },
  rowLocker: {
    lasts: 0,
    hold: ({ prisma }, userId, { effect, pause }) =>
      rowLocker(prisma, 'User', HOLD).withLock(String(userId), async ({ tx }) => {
        await effect(tx)
        await pause()
      }),
  },
  'advisoryLocker of a transaction': {
    lasts: 0,
    hold: ({ prisma }, userId, { effect, pause }) =>
      advisoryLocker(prisma, HOLD).withLock(name(userId), async ({ tx }) => {
        await effect(tx)
        await pause()
      }),
  },
  'advisoryLocker of a transaction of the pool': {
    lasts: 0,
    hold: ({ prisma, pool }, userId, { effect, pause }) =>
      advisoryLocker(pool, HOLD).withLock(name(userId), async () => {
        await effect(prisma)
        await pause()
      }),
  },
  'advisoryLocker of a session': {
    lasts: 0,
    hold: ({ prisma, pool }, userId, { effect, pause }) =>
      advisoryLocker(pool, { ...HOLD, scope: 'session' }).withLock(name(userId), async () => {
        await effect(prisma)
        await pause()
      }),
  },
  leaseLocker: {
    lasts: TTL,
    hold({ prisma }, userId, { effect, pause }) {
      const locker = leaseLocker(prisma, { ttl: TTL })
      return locker.withLock(name(userId), async ({ fencingToken, signal }) => {
        await prisma.$transaction(async (tx) => {
          await locker.guardedWrite(tx, fencingToken)
          await effect(tx)
        }, TRANSACTION)
        await pause({ token: fencingToken, signal })
      })
    },
  },
  redisLocker: {
    lasts: TTL,
    needsRedis: true,
    hold: ({ prisma, redis, redisPrefix }, userId, { effect, pause }) =>
      redisLocker(redis!, { ttl: TTL, prefix: redisPrefix }).withLock(name(userId), async ({ fencingToken, signal }) => {
        await effect(prisma)
        await pause({ token: fencingToken, signal })
      }),
  },
  'job with its effect committed': {
    lasts: TTL,
    async hold(tools, userId, { effect, pause }) {
      const { prisma } = tools
      const job = await claimWhenFree(tools, userId)
      using extending = keepExtended(() => extend(prisma.job, job, { lease: TTL }))
      await effect(prisma)
      await pause({ token: BigInt(job.attempt), signal: extending.lost })
      await complete(prisma.job, job)
    },
  },
  'job completed in an open transaction': {
    lasts: TTL,
    async hold(tools, userId, { effect, pause }) {
      const job = await claimWhenFree(tools, userId)
      await tools.prisma.$transaction(async (tx) => {
        await effect(tx)
        await complete(tx.job, job)
        await pause({ token: BigInt(job.attempt) })
      }, TRANSACTION)
    },
  },
} satisfies Record<string, Kind>

export type KindName = keyof typeof KINDS

/** Asks again until the job is free: how a worker waits that has nothing else to do. */
async function claimWhenFree({ prisma }: Tools, userId: number) {
  for (;;) {
    const [job] = await claim(prisma.job, { where: { queue: name(userId) }, lease: TTL })
    if (job) return job
    await prisma.$queryRaw`SELECT pg_sleep(0.1)::text`
  }
}

function keepExtended(extendJob: () => Promise<unknown>): Disposable & { readonly lost: AbortSignal } {
  const losing = new AbortController()
  const timer = setInterval(() => void extendJob().catch(() => losing.abort()), TTL / 3)
  return { lost: losing.signal, [Symbol.dispose]: () => clearInterval(timer) }
}
