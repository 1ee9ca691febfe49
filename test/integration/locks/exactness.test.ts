import { beforeAll, expect, test } from 'vitest'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase, waitUntilSessionsBlocked } from '../../support/database.js'
import { held } from '../../support/held.js'
import { lockedRows } from '../../support/locked-rows.js'

const database = useDatabase()
let prisma: TestClient

beforeAll(async () => {
  ;({ prisma } = createClient(database, { poolSize: 60 }))
  await prisma.company.createMany({ data: Array.from({ length: 200 }, (_, i) => ({ name: `c${i + 1}` })) })
})

const lockedCompanies = () => lockedRows(database.sql, '"Company"')

test('Promise.all of locked and unlocked reads in one transaction locks exactly what was asked', async () => {
  const holder = await held(prisma, (tx) =>
    Promise.all([
      tx.company.findUnique({ where: { id: 1 } }),
      tx.company.findUnique({ where: { id: 2 }, lock: 'forUpdate' }),
      tx.company.findUnique({ where: { id: 3 } }),
      tx.company.findMany({ where: { id: { in: [4, 5] } }, lock: 'forNoKeyUpdate' }),
      tx.company.findMany({ where: { id: { in: [6, 7] } } }),
      tx.company.findFirst({ where: { id: 8 } }),
      tx.company.findUnique({ where: { id: 9 }, lock: 'forShare' }),
    ]),
  )
  expect(await lockedCompanies()).toEqual([2, 4, 5, 9])
  await holder.rollback()
})

test('50 transactions in one tick lock exactly what each asked for', async () => {
  const holders = await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      held(prisma, (tx) => {
        const where = { id: i + 1 }
        return i % 2 === 0 ? tx.company.findUnique({ where, lock: 'forUpdate' }) : tx.company.findUnique({ where })
      }),
    ),
  )
  expect(holders.map(({ result }) => result?.id)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1))
  expect(await lockedCompanies()).toEqual(Array.from({ length: 25 }, (_, i) => 2 * i + 1))
  await Promise.all(holders.map((holder) => holder.commit()))
})

test('each transaction holds its own lock: xmax names it', async () => {
  const holders = await Promise.all(
    [1, 2, 3].map((id) => held(prisma, (tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }))),
  )
  const rows = await database.sql<{ id: number; pid: number }[]>`
    SELECT id, pid FROM "Company" JOIN pg_locks ON transactionid = "Company".xmax AND granted WHERE id <= 3 ORDER BY id`
  expect(rows.map(({ pid }) => pid)).toEqual(holders.map(({ pid }) => pid))
  await Promise.all(holders.map((holder) => holder.commit()))
})

test('two locks of different strength in one tick keep their own strength', async () => {
  const holder = await held(prisma, (tx) =>
    Promise.all([
      tx.company.findUnique({ where: { id: 1 }, lock: 'forKeyShare' }),
      tx.company.findUnique({ where: { id: 2 }, lock: 'forUpdate' }),
    ]),
  )
  const free = await database.sql<{ id: number }[]>`SELECT id FROM "Company" WHERE id <= 2 FOR NO KEY UPDATE SKIP LOCKED`
  expect(free.map(({ id }) => id)).toEqual([1])
  await holder.commit()
})

test('a findMany locks in primary-key order, so that two of them cannot deadlock', async () => {
  const ids = Array.from({ length: 100 }, (_, i) => i + 1)
  const lockAll = (order: number[]) =>
    prisma.$transactionWithRetry((tx) => tx.company.findMany({ where: { id: { in: order } }, lock: 'forUpdate' }), { retry: false })
  const rounds = Array.from({ length: 20 }, (_, i) => lockAll(i % 2 ? ids : [...ids].reverse()))
  const results = await Promise.all(rounds)
  expect(results.every((rows) => rows.length === 100)).toBe(true)
})

test('a thousand locked reads leave no marker behind', async () => {
  const registry = (globalThis as unknown as Record<symbol, { requests: Map<number, unknown> }>)[Symbol.for('rowlock.lockRequests')]
  await prisma.$transaction(
    async (tx) => {
      for (let i = 0; i < 10; i++)
        await Promise.all(Array.from({ length: 100 }, (_, n) => tx.company.findUnique({ where: { id: n + 1 }, lock: 'forShare' })))
    },
    { timeout: 25_000 },
  )
  expect(registry!.requests.size).toBe(0)
})

test('a number that a marker happens to be is a number, while the lock of that marker is waited for', async () => {
  const lock = { where: { id: 1 }, lock: 'forUpdate' } as const
  const holder = await held(prisma, (tx) => tx.company.findUnique(lock))
  const waiting = prisma.$transaction((tx) => tx.company.findUnique(lock))
  await waitUntilSessionsBlocked(database.sql, 1)
  // One of those that this file has used is the one under way.
  for (let amount = 2 ** 31; amount < 2 ** 31 + 200; amount++) {
    expect(await prisma.$queryRaw`SELECT ${amount}::bigint AS amount`).toEqual([{ amount: BigInt(amount) }])
  }
  await holder.rollback()
  expect((await waiting)?.id).toBe(1)
})
