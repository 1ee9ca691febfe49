import { PrismaPg } from '@prisma/adapter-pg'
import { readReplicas } from '@prisma/extension-read-replicas'
import { claim, complete } from 'rowlock/lockers'
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase } from '../../support/database.js'
import { held } from '../../support/held.js'
import { lockedRows } from '../../support/locked-rows.js'
import { createTamperedClient } from '../../support/repositories/tampered-client.js'

const database = useDatabase()
let prisma: TestClient
const MINUTE = 60_000

beforeAll(() => {
  ;({ prisma } = createClient(database, { poolSize: 30 }))
})
beforeEach(async () => {
  await database.sql`TRUNCATE "Job" RESTART IDENTITY`
})

const createJobs = (count: number, queue = 'default') =>
  database.sql`INSERT INTO "Job" (queue) SELECT ${queue} FROM generate_series(1, ${count})`
const idsOf = (jobs: readonly { id: bigint }[]) => jobs.map(({ id }) => Number(id))

describe('claim', () => {
  test('returns full rows with the attempt and the lease, by the clock of the server', async () => {
    await createJobs(1)
    const [before] = await database.sql<[{ now: Date }]>`SELECT clock_timestamp() AS now`
    const jobs = await claim(prisma.job, { lease: MINUTE })
    const [after] = await database.sql<[{ now: Date }]>`SELECT clock_timestamp() AS now`

    expect(jobs).toMatchObject([{ id: 1n, queue: 'default', payload: {}, attempt: 1, completedAt: null, failedAt: null, error: null }])
    const expiry = jobs[0]!.leaseExpiresAt!.getTime() - MINUTE
    expect(expiry).toBeGreaterThanOrEqual(before.now.getTime())
    expect(expiry).toBeLessThanOrEqual(after.now.getTime())
    expect(await prisma.job.findMany()).toEqual(jobs)
  })

  test('takes one job unless told otherwise, and none when there is none', async () => {
    await createJobs(3)
    expect(await claim(prisma.job, { lease: MINUTE })).toHaveLength(1)
    expect(await claim(prisma.job, { lease: MINUTE, take: 1_000 })).toHaveLength(2)
    expect(await claim(prisma.job, { lease: MINUTE, take: 1_000 })).toEqual([])
  })

  test('keeps the order that was asked for, in what it takes and in what it returns', async () => {
    await createJobs(9)
    await database.sql`UPDATE "Job" SET "runAt" = "runAt" - (id * 4 % 9) * interval '1 s'`
    const byAge = idsOf(await prisma.job.findMany({ orderBy: { runAt: 'asc' } }))
    const claimed = []
    for (let turn = 0; turn < 3; turn++) claimed.push(...(await claim(prisma.job, { orderBy: { runAt: 'asc' }, take: 3, lease: MINUTE })))
    expect(idsOf(claimed)).toEqual(byAge)
  })

  test('takes them by primary key when no order was asked for', async () => {
    await createJobs(50)
    await database.sql`UPDATE "Job" SET queue = 'moved' WHERE id % 3 = 0`
    expect(idsOf(await claim(prisma.job, { take: 50, lease: MINUTE }))).toEqual(Array.from({ length: 50 }, (_, index) => index + 1))
  })

  test('takes what `where` says, an OR at its root included', async () => {
    await createJobs(3, 'mail')
    await createJobs(3, 'print')
    await createJobs(3, 'sweep')
    const jobs = await claim(prisma.job, { where: { OR: [{ queue: 'mail' }, { queue: 'sweep' }] }, take: 10, lease: MINUTE })
    expect(idsOf(jobs)).toEqual([1, 2, 3, 7, 8, 9])
    expect(await claim(prisma.job, { where: { OR: [{ queue: 'mail' }, { queue: 'sweep' }] }, take: 10, lease: MINUTE })).toEqual([])
  })

  test('leaves out what is completed, failed, not yet due, or held', async () => {
    await database.sql`
      INSERT INTO "Job" (queue, "runAt", "leaseExpiresAt", "completedAt", "failedAt", attempt) VALUES
        ('new', now(), NULL, NULL, NULL, 0),
        ('retried', now() - interval '1 s', NULL, NULL, NULL, 3),
        ('expired', now(), now() - interval '1 ms', NULL, NULL, 7),
        ('held', now(), now() + interval '1 min', NULL, NULL, 1),
        ('later', now() + interval '1 min', NULL, NULL, NULL, 0),
        ('completed', now(), NULL, now(), NULL, 1),
        ('failed', now(), NULL, NULL, now(), 1),
        ('completed late', now(), now() - interval '1 s', now(), NULL, 1)`
    const jobs = await claim(prisma.job, { take: 10, lease: MINUTE })
    expect(jobs.map(({ queue, attempt }) => [queue, attempt])).toEqual([
      ['new', 1],
      ['retried', 4],
      ['expired', 8],
    ])
  })

  test("does not look at the client's clock", async () => {
    await createJobs(1)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 3_600_000 })
    try {
      expect(await claim(prisma.job, { lease: MINUTE })).toHaveLength(1)
      vi.setSystemTime(Date.now() + 7_200_000)
      expect(await claim(prisma.job, { lease: MINUTE })).toEqual([])
    } finally {
      vi.useRealTimers()
    }
    const [row] = await database.sql<[{ left: number }]>`
      SELECT extract(epoch FROM "leaseExpiresAt" - clock_timestamp())::float8 AS left FROM "Job"`
    expect(row.left).toBeGreaterThan(0)
    expect(row.left).toBeLessThanOrEqual(60)
  })
})

test("a new job is due by the clock of the server, whatever the client's says", async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 })
  try {
    await prisma.job.create({ data: {} })
  } finally {
    vi.useRealTimers()
  }
  expect(await claim(prisma.job, { lease: MINUTE })).toHaveLength(1)
})

describe('two claims at once', () => {
  test('do not wait for each other: the second skips what the first has locked', async () => {
    await createJobs(5)
    const first = await held(prisma, (tx) => claim(tx.job, { take: 2, lease: MINUTE }))
    expect(idsOf(first.result)).toEqual([1, 2])
    expect(await lockedRows(database.sql, '"Job"')).toEqual(['1', '2'])

    const second = await held(prisma, (tx) => claim(tx.job, { take: 2, lease: MINUTE }))
    expect(idsOf(second.result)).toEqual([3, 4])
    expect(idsOf(await claim(prisma.job, { take: 2, lease: MINUTE }))).toEqual([5])
    expect(await database.sql`SELECT pg_blocking_pids(${second.pid})::text AS pids`).toEqual([{ pids: '{}' }])
    await first.commit()
    await second.commit()
    expect(await claim(prisma.job, { take: 5, lease: MINUTE })).toEqual([])
  })

  test('do not wait for a job that is just being changed either', async () => {
    await createJobs(2)
    const editor = await held(prisma, (tx) => tx.job.update({ where: { id: 1 }, data: { payload: { edited: true } } }))
    expect(idsOf(await claim(prisma.job, { take: 2, lease: MINUTE }))).toEqual([2])
    await editor.commit()
    expect(await claim(prisma.job, { take: 2, lease: MINUTE })).toMatchObject([{ id: 1n, payload: { edited: true }, attempt: 1 }])
  })

  test('a job that something refers to just now is claimed all the same', async () => {
    await createJobs(1)
    await database.sql`CREATE TABLE step (job bigint REFERENCES "Job")`
    const child = await held(prisma, (tx) => tx.$executeRaw`INSERT INTO step VALUES (1)`)
    expect(idsOf(await claim(prisma.job, { lease: MINUTE }))).toEqual([1])
    await child.commit()
    await database.sql`DROP TABLE step`
  })

  test('50 at once take each job once, and none more than it asked for', async () => {
    await createJobs(120)
    const claims = await Promise.all(Array.from({ length: 50 }, () => claim(prisma.job, { take: 3, lease: MINUTE })))
    expect(Math.max(...claims.map((jobs) => jobs.length))).toBeLessThanOrEqual(3)
    const rest = await claim(prisma.job, { take: 1_000, lease: MINUTE })
    const ids = idsOf([...claims.flat(), ...rest])
    expect(ids.length).toBe(120)
    expect(new Set(ids).size).toBe(120)
    expect(await prisma.job.count({ where: { attempt: 1 } })).toBe(120)
  })
})

describe('in a transaction', () => {
  test('a rollback gives the job back, with the attempt it had', async () => {
    await createJobs(1)
    const holder = await held(prisma, (tx) => claim(tx.job, { lease: MINUTE }))
    expect(holder.result).toMatchObject([{ id: 1n, attempt: 1 }])
    expect(await claim(prisma.job, { lease: MINUTE })).toEqual([])
    await holder.rollback()
    expect(await claim(prisma.job, { lease: MINUTE })).toMatchObject([{ id: 1n, attempt: 1 }])
  })

  test('a job is claimed and completed before anyone else sees either', async () => {
    await createJobs(1)
    const holder = await held(prisma, async (tx) => {
      const [job] = await claim(tx.job, { lease: MINUTE })
      return complete(tx.job, job!)
    })
    expect(await prisma.job.findFirst()).toMatchObject({ attempt: 0, completedAt: null })
    await holder.commit()
    expect(await prisma.job.findFirst()).toMatchObject({ attempt: 1, completedAt: holder.result.completedAt, leaseExpiresAt: null })
  })

  test('under REPEATABLE READ a job that was changed since is a conflict to retry, and never claimed twice', async () => {
    await createJobs(1)
    const attempt = prisma.$transaction(
      async (tx) => {
        await tx.job.count()
        await claim(prisma.job, { lease: 1 })
        return claim(tx.job, { lease: MINUTE })
      },
      { isolationLevel: 'RepeatableRead' },
    )
    await expect(attempt).rejects.toMatchObject({ code: 'SERIALIZATION_FAILURE', retryable: true })
    expect(await prisma.job.findFirst()).toMatchObject({ attempt: 1 })
  })
})

describe('on its way to PostgreSQL', () => {
  test('a claim and a report are one statement each, also in a transaction', async () => {
    await createJobs(2)
    const sent: string[] = []
    const { prisma: watched } = createTamperedClient(database, { before: (sql) => sent.push(sql) })
    const [job] = await claim(watched.job, { lease: MINUTE })
    await complete(watched.job, job!)
    expect(sent.map((sql) => sql.slice(0, 4))).toEqual(['WITH', 'WITH'])
    sent.length = 0
    await watched.$transaction(async (tx) => {
      const [other] = await claim(tx.job, { lease: MINUTE })
      await complete(tx.job, other!)
    })
    expect(sent.map((sql) => sql.slice(0, 4))).toEqual(['BEGI', 'WITH', 'WITH', 'COMM'])
  })

  test('what other extensions add to the query holds, and what they add to the row is there', async () => {
    await createJobs(2, 'mine')
    await createJobs(2, 'theirs')
    const extended = prisma
      .$extends({
        query: { job: { findMany: ({ args, query }) => query({ ...args, where: { AND: [args.where ?? {}, { queue: 'mine' }] } }) } },
      })
      .$extends({ result: { job: { label: { needs: { id: true, queue: true }, compute: ({ id, queue }) => `${queue} ${id}` } } } })
    const jobs = await claim(extended.job, { take: 10, lease: MINUTE })
    expect(jobs.map(({ label }) => label)).toEqual(['mine 1', 'mine 2'])
    await prisma.job.updateMany({ data: { queue: 'theirs' } })
    await expect(complete(extended.job, jobs[0]!)).rejects.toMatchObject({ code: 'STALE_CLAIM' })
    expect(await prisma.job.count({ where: { completedAt: null } })).toBe(4)
  })

  test('with read replicas it goes to the primary by $primary(), or in a transaction', async () => {
    await createJobs(2)
    const sent: string[] = []
    const primary = createTamperedClient(database, { before: (sql) => sent.push(sql.slice(0, 4)) }).prisma
    const replica = new PrismaClient({ adapter: new PrismaPg({ connectionString: 'postgres://localhost:1/never' }) })
    const replicated = primary.$extends(readReplicas({ replicas: [replica] }))
    expect(await claim(replicated.$primary().job, { lease: MINUTE })).toHaveLength(1)
    expect(await replicated.$transaction((tx) => claim(tx.job, { lease: MINUTE }))).toHaveLength(1)
    expect(sent).toEqual(['WITH', 'BEGI', 'WITH', 'COMM'])
    await replica.$disconnect()
  })

  test('a find that Prisma would split, or that an extension widens, is refused and claims nothing', async () => {
    await createJobs(3)
    const wide = prisma.$extends({ query: { job: { findMany: ({ args, query }) => query({ ...args, take: 3 }) } } })
    await expect(claim(wide.job, { take: 2, lease: MINUTE })).rejects.toMatchObject({ code: 'LOCK_NOT_APPLIED' })
    const endless = prisma.$extends({ query: { job: { findMany: ({ args: { take: _, ...args }, query }) => query(args) } } })
    await expect(claim(endless.job, { take: 2, lease: MINUTE })).rejects.toMatchObject({ code: 'LOCK_NOT_APPLIED' })
    const many = Array.from({ length: 40_000 }, (_, index) => BigInt(index))
    await expect(claim(prisma.job, { where: { id: { in: many } }, lease: MINUTE })).rejects.toMatchObject({ code: 'P2029' })
    expect(await prisma.job.count({ where: { attempt: 0 } })).toBe(3)
  })
})
