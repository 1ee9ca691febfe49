import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { lockable, rowLocks } from 'rowlock'
import { claim } from 'rowlock/lockers'
import { credit } from 'rowlock/repositories'
import { checkLedger } from 'rowlock/testing'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { creditPayment, enqueuePayments, PAYMENTS } from '../../examples/worker/payments.js'
import { runWorker, type WorkerOptions } from '../../examples/worker/worker.js'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import type { TestClient } from '../support/client.js'
import { useDatabase } from '../support/database.js'
import { balanceOf, createUser, createWallet, createWorld, entriesOf, type World } from '../support/repositories/world.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import { POOLED } from '../support/through-pooler.js'

const database = useDatabase()
let world: World
beforeAll(() => {
  world = createWorld(database)
})
beforeEach(() => database.sql`TRUNCATE "Job"`.then(() => undefined))

interface Run extends Partial<WorkerOptions> {
  readonly prisma?: TestClient
  /** The worker is stopped once it has said this. */
  readonly until: RegExp
}

/** Runs a worker in this process, and returns what it has said. */
async function work({ prisma = world.prisma, until, ...options }: Run): Promise<string[]> {
  const stop = new AbortController()
  const lines: string[] = []
  const log = (line: string) => {
    lines.push(line)
    if (until.test(line)) stop.abort()
  }
  await runWorker(prisma, { queue: PAYMENTS, handle: creditPayment, poll: 5, retryIn: 5, ...options, signal: stop.signal, log })
  return lines
}

const jobs = () => world.other.job.findMany({ orderBy: { id: 'asc' } })
const enqueue = (userId: number, paymentId = `payment of ${userId}`) => enqueuePayments(world.other, [{ paymentId, userId, amount: '10' }])

describe('a job that fails', () => {
  test('comes back after pauses that grow, and then succeeds', async () => {
    const { userId } = await createWallet(world, 0)
    await enqueue(userId)
    const failing: WorkerOptions['handle'] = async (tx, job) => {
      await creditPayment(tx, job)
      if (job.attempt < 4) throw new RangeError('not now')
    }
    const lines = await work({ handle: failing, until: /completed/ })
    const pauses = lines.slice(0, 3).map((line) => Number(/tried again in (\d+) ms: RangeError: not now$/.exec(line)?.[1]))
    for (const [index, pause] of pauses.entries()) expect(pause).toBeLessThanOrEqual(5 * 2 ** index)
    expect(lines.length).toBe(4)
    expect(await jobs()).toMatchObject([{ attempt: 4, completedAt: expect.any(Date) as Date, failedAt: null }])
    // What the failed attempts had credited was rolled back.
    expect([await balanceOf(world, userId), (await entriesOf(world, userId)).length]).toEqual([10, 1])
  })

  test('is not begun before its pause is over', async () => {
    const userId = await createUser(world)
    await enqueue(userId)
    const begun: Date[] = []
    const failing: WorkerOptions['handle'] = async (tx) => {
      const [{ now }] = await tx.$queryRaw<[{ now: Date }]>`SELECT clock_timestamp() AS now`
      begun.push(now)
      throw new Error('not now')
    }
    const due: Date[] = []
    for (const until of [/attempt 1/, /attempt 2/]) {
      await work({ handle: failing, retryIn: 100, until })
      due.push((await jobs())[0]!.runAt)
    }
    expect(begun[1]!.getTime()).toBeGreaterThanOrEqual(due[0]!.getTime())
  })

  test('for the last time is left with its error, and not taken again', async () => {
    await enqueue(0)
    await enqueue(-1)
    const lines = await work({ maxAttempts: 2, until: /job (?!.*again)(?=.*for good)/ })
    expect(lines.at(-1)).toMatch(/\(attempt 2\) has failed for good: InvalidOptionError: /)
    await work({ maxAttempts: 2, until: /for good/ })
    expect(await jobs()).toMatchObject(
      Array(2).fill({
        attempt: 2,
        failedAt: expect.any(Date) as Date,
        completedAt: null,
        error: expect.stringMatching(/userId/) as string,
      }),
    )
    expect(await claim(world.prisma.job, { lease: 1_000 })).toEqual([])
  })

  test('by killing its workers does not come back for ever, and is not begun once more', async () => {
    await enqueue(1)
    await database.sql`UPDATE "Job" SET attempt = 5, "leaseExpiresAt" = clock_timestamp()`
    let begun = 0
    const lines = await work({ handle: async () => void begun++, until: /./ })
    expect(lines).toEqual([expect.stringMatching(/\(attempt 6\) has failed for good: Error: Its last worker ended in the middle of it\.$/)])
    expect(begun).toBe(0)
    expect(await jobs()).toMatchObject([{ attempt: 6, failedAt: expect.any(Date) as Date }])
  })
})

describe('a job', () => {
  test('for a payment that was enqueued twice credits it once', async () => {
    const { userId } = await createWallet(world, 0)
    await enqueue(userId, 'sent twice')
    await enqueue(userId, 'sent twice')
    await work({ until: /completed/ })
    await work({ until: /completed/ })
    expect((await jobs()).map(({ completedAt }) => completedAt !== null)).toEqual([true, true])
    expect(await balanceOf(world, userId)).toBe(10)
  })

  test('that was enqueued in a transaction which is rolled back is not there', async () => {
    const { userId } = await createWallet(world, 0)
    const rolledBack = world.prisma.$transactionWithRetry(async (tx) => {
      await enqueuePayments(tx, [{ paymentId: 'never', userId, amount: '10' }])
      throw new RangeError('no order, no payment')
    })
    await expect(rolledBack).rejects.toThrow('no order, no payment')
    expect(await jobs()).toEqual([])
  })

  test('of a worker that is slower than its lease has the effect of the attempt that replaced it alone', async () => {
    const { userId } = await createWallet(world, 0)
    await enqueue(userId)
    const slow: WorkerOptions['handle'] = async (tx) => {
      await credit(tx, { userId, amount: '10' })
      const [taken] = await claim(world.other.job, { lease: 60_000 })
      expect(taken).toMatchObject({ attempt: 2 })
    }
    expect(await work({ handle: slow, lease: 1, until: /./ })).toEqual([
      expect.stringMatching(/\(attempt 1\) is not this worker's any more: StaleClaimError/),
    ])
    expect(await balanceOf(world, userId)).toBe(0)
    expect(await jobs()).toMatchObject([{ attempt: 2, completedAt: null, failedAt: null }])
  })

  test('whose commit was carried out and never answered is left as it is', async () => {
    const { userId } = await createWallet(world, 0)
    await enqueue(userId)
    await using proxy = await startTcpProxy(database.url)
    let cut = false
    proxy.fate = (data) => {
      if (cut || !data.includes('COMMIT')) return 'pass'
      cut = true
      return 'deliver and cut'
    }
    const pool = database.watch(new Pool({ connectionString: proxy.url, max: 2 }))
    pool.on('error', () => undefined)
    const prisma = new PrismaClient({ adapter: lockable(new PrismaPg(pool), POOLED) }).$extends(rowLocks())
    expect(await work({ prisma, until: /./ })).toEqual([expect.stringMatching(/is not this worker's any more: AmbiguousCommitError/)])
    expect(await jobs()).toMatchObject([{ attempt: 1, completedAt: expect.any(Date) as Date }])
    expect(await balanceOf(world, userId)).toBe(10)
    await checkLedger(world.other)
  })
})

test('a worker outlives its database, and goes on when that is back', async () => {
  const { userId } = await createWallet(world, 0)
  await enqueue(userId)
  await using proxy = await startTcpProxy(database.url)
  proxy.fate = () => 'cut'
  const pool = database.watch(new Pool({ connectionString: proxy.url, max: 2 }))
  pool.on('error', () => undefined)
  const prisma = new PrismaClient({ adapter: lockable(new PrismaPg(pool), POOLED) }).$extends(rowLocks())
  const [first] = await work({ prisma, until: /no job could be claimed/ })
  expect(first).toMatch(/^no job could be claimed: /)
  proxy.fate = () => 'pass'
  await work({ prisma, until: /completed/ })
  expect(await balanceOf(world, userId)).toBe(10)
})
