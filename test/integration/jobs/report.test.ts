import { inspect } from 'node:util'
import { StaleClaimError } from 'rowlock'
import { claim, complete, extend, fail } from 'rowlock/lockers'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Job } from '../../../src/generated/prisma/client.js'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase, waitUntilSessionsBlocked } from '../../support/database.js'
import { held } from '../../support/held.js'
import { expectRejection } from '../../support/rejections.js'

const database = useDatabase()
let prisma: TestClient
const MINUTE = 60_000

beforeAll(() => {
  ;({ prisma } = createClient(database))
})
beforeEach(async () => {
  await database.sql`TRUNCATE "Job", "Company" RESTART IDENTITY`
  await database.sql`INSERT INTO "Job" DEFAULT VALUES`
})

const claimOne = async (): Promise<Job> => (await claim(prisma.job, { lease: MINUTE }))[0]!
const readJob = () => prisma.job.findUniqueOrThrow({ where: { id: 1 } })
const expireLease = () =>
  database.sql`UPDATE "Job" SET "leaseExpiresAt" = clock_timestamp() - interval '1 ms' WHERE "leaseExpiresAt" IS NOT NULL`

/** The first attempt, after another worker has taken the job over. */
async function claimAndLose(): Promise<{ stale: Job; current: Job }> {
  const stale = await claimOne()
  await expireLease()
  return { stale, current: await claimOne() }
}

/** How long until `column`, in seconds by the clock of the server. */
async function secondsUntil(column: 'leaseExpiresAt' | 'runAt' | 'completedAt' | 'failedAt'): Promise<number> {
  const [row] = await database.sql<[{ left: number }]>`
    SELECT extract(epoch FROM ${database.sql(column)} - clock_timestamp())::float8 AS left FROM "Job"`
  return row.left
}

const reports = {
  complete: (model: TestClient['job'], job: Job) => complete(model, job),
  fail: (model: TestClient['job'], job: Job) => fail(model, job, { error: 'late' }),
  'fail with retryIn': (model: TestClient['job'], job: Job) => fail(model, job, { error: 'late', retryIn: 0 }),
  extend: (model: TestClient['job'], job: Job) => extend(model, job, { lease: MINUTE }),
}
const named = Object.entries(reports)

describe('the holder', () => {
  test('completes: by the clock of the server, without a lease, never claimable again', async () => {
    const job = await claimOne()
    const completed = await complete(prisma.job, job)
    expect(completed).toMatchObject({ id: 1n, attempt: 1, leaseExpiresAt: null, failedAt: null })
    expect(await readJob()).toEqual(completed)
    expect(Math.abs(await secondsUntil('completedAt'))).toBeLessThan(5)
    expect(await claim(prisma.job, { lease: MINUTE })).toEqual([])
  })

  test('fails for good: with the reason, never claimable again', async () => {
    const failed = await fail(prisma.job, await claimOne(), { error: new RangeError('no such address') })
    expect(failed).toMatchObject({ leaseExpiresAt: null, completedAt: null, error: 'RangeError: no such address' })
    expect(Math.abs(await secondsUntil('failedAt'))).toBeLessThan(5)
    expect(await claim(prisma.job, { lease: MINUTE })).toEqual([])
  })

  test('fails for now: claimable again after retryIn', async () => {
    const failed = await fail(prisma.job, await claimOne(), { error: 'busy', retryIn: MINUTE })
    expect(failed).toMatchObject({ attempt: 1, leaseExpiresAt: null, failedAt: null, error: 'busy' })
    const left = await secondsUntil('runAt')
    expect(left).toBeGreaterThan(55)
    expect(left).toBeLessThanOrEqual(60)
    expect(await claim(prisma.job, { lease: MINUTE })).toEqual([])
    await database.sql`UPDATE "Job" SET "runAt" = "runAt" - interval '1 min'`
    expect(await claim(prisma.job, { lease: MINUTE })).toMatchObject([{ attempt: 2, error: 'busy' }])
  })

  test('fails for now with retryIn 0: claimable at once', async () => {
    await fail(prisma.job, await claimOne(), { error: 'busy', retryIn: 0 })
    expect(await claim(prisma.job, { lease: MINUTE })).toMatchObject([{ attempt: 2 }])
  })

  test.each([
    ['undefined', undefined, 'undefined'],
    ['an object', { status: 503 }, '{ status: 503 }'],
    ['a text with a NUL', 'a\0b', 'a\uFFFDb'],
    ['half a character', '\ud800', '\uFFFD'],
    [
      'what throws when it is looked at',
      {
        [inspect.custom]() {
          throw new Error('no')
        },
      },
      'An error that cannot be shown.',
    ],
  ])('fails with %s, which is kept as text', async (_, error, text) => {
    expect(await fail(prisma.job, await claimOne(), { error })).toMatchObject({ error: text })
  })

  test('extends, and shortens: from now on, by the clock of the server', async () => {
    const job = await claimOne()
    expect(await extend(prisma.job, job, { lease: 10 * MINUTE })).toMatchObject({ attempt: 1, completedAt: null })
    expect(await secondsUntil('leaseExpiresAt')).toBeGreaterThan(595)
    await extend(prisma.job, job, { lease: MINUTE })
    expect(await secondsUntil('leaseExpiresAt')).toBeLessThanOrEqual(60)
  })

  test.each(named)('%s works after the lease has expired, as long as nobody has claimed the job', async (_, report) => {
    const job = await claimOne()
    await expireLease()
    await report(prisma.job, job)
  })

  test('may name the job by its key and attempt alone', async () => {
    const { id, attempt } = await claimOne()
    expect(await complete(prisma.job, { id, attempt })).toMatchObject({ id, attempt })
  })
})

describe('a worker that was presumed dead', () => {
  test.each(named)('%s is refused once the job has been claimed again, and changes nothing', async (_, report) => {
    const { stale, current } = await claimAndLose()
    await expectRejection(report(prisma.job, stale), StaleClaimError, { model: 'Job', key: { id: 1n }, attempt: 1, retryable: false })
    expect(await readJob()).toEqual(current)
    await complete(prisma.job, current)
  })

  test('would complete the next attempt without the guard', async () => {
    const { current } = await claimAndLose()
    // As it is often written: by the key, of a job that is not completed yet.
    await database.sql`UPDATE "Job" SET "completedAt" = clock_timestamp(), "leaseExpiresAt" = NULL WHERE id = 1 AND "completedAt" IS NULL`
    expect(await readJob()).toMatchObject({ attempt: current.attempt, leaseExpiresAt: null })
    await expectRejection(complete(prisma.job, current), StaleClaimError, { attempt: 2 })
  })

  test.each(named)('%s waits for a claim that is just taking the job over, and is then refused', async (_, report) => {
    const stale = await claimOne()
    await expireLease()
    const successor = await held(prisma, (tx) => claim(tx.job, { lease: MINUTE }))
    expect(successor.result).toMatchObject([{ attempt: 2 }])
    const refusal = expectRejection(report(prisma.job, stale), StaleClaimError, { attempt: 1 })
    const [waiting] = await waitUntilSessionsBlocked(database.sql, 1)
    expect(waiting!.blockedBy).toEqual([successor.pid])
    await successor.commit()
    await refusal
    expect(await readJob()).toEqual(successor.result[0])
  })

  test('may go on when the claim that was taking the job over is rolled back', async () => {
    const job = await claimOne()
    await expireLease()
    const successor = await held(prisma, (tx) => claim(tx.job, { lease: MINUTE }))
    const report = complete(prisma.job, job)
    await waitUntilSessionsBlocked(database.sql, 1)
    await successor.rollback()
    expect(await report).toMatchObject({ attempt: 1 })
  })
})

describe('a report', () => {
  test.each(named.filter(([name]) => name !== 'extend'))('%s ends the attempt: each further report is refused', async (_, report) => {
    const job = await claimOne()
    await report(prisma.job, job)
    for (const [, again] of named) await expectRejection(again(prisma.job, job), StaleClaimError, { attempt: 1 })
  })

  test('of a job that is gone is refused', async () => {
    const job = await claimOne()
    await prisma.job.deleteMany()
    await expectRejection(complete(prisma.job, job), StaleClaimError)
  })

  test('waits for an edit of the job, keeps what it changed, and counts', async () => {
    const job = await claimOne()
    const editor = await held(prisma, (tx) => tx.job.update({ where: { id: 1 }, data: { payload: { edited: true } } }))
    const report = complete(prisma.job, job)
    await waitUntilSessionsBlocked(database.sql, 1)
    await editor.commit()
    expect(await report).toMatchObject({ attempt: 1, payload: { edited: true } })
    expect(await readJob()).toMatchObject({ payload: { edited: true }, leaseExpiresAt: null })
  })

  test('of two at once by the same attempt, one counts', async () => {
    const job = await claimOne()
    const outcomes = await Promise.allSettled([
      complete(prisma.job, job),
      complete(prisma.job, job),
      fail(prisma.job, job, { error: 'no' }),
    ])
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })
})

describe('complete in the transaction of the effect', () => {
  const work = (job: Job, then?: () => void) =>
    prisma.$transaction(async (tx) => {
      await tx.company.create({ data: { name: `attempt ${job.attempt}` } })
      await complete(tx.job, job)
      then?.()
    })

  test('commits with it', async () => {
    await work(await claimOne())
    expect(await prisma.company.count()).toBe(1)
    expect((await readJob()).completedAt).not.toBeNull()
  })

  test('is rolled back with it', async () => {
    const job = await claimOne()
    await expect(
      work(job, () => {
        throw new Error('the effect failed')
      }),
    ).rejects.toThrow('the effect failed')
    expect(await prisma.company.count()).toBe(0)
    expect(await readJob()).toEqual(job)
  })

  test('takes the effect of a stale worker back', async () => {
    const { stale, current } = await claimAndLose()
    await expectRejection(work(stale), StaleClaimError)
    await work(current)
    expect((await prisma.company.findMany()).map(({ name }) => name)).toEqual(['attempt 2'])
  })

  test('is refused without an error of PostgreSQL: the transaction is still usable', async () => {
    const { stale } = await claimAndLose()
    await prisma.$transaction(async (tx) => {
      await expectRejection(complete(tx.job, stale), StaleClaimError)
      await tx.company.create({ data: { name: 'after the refusal' } })
    })
    expect(await prisma.company.count()).toBe(1)
  })
})
