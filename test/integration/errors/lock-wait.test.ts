import { LockNotAvailableError, LockTimeoutError } from 'rowlock'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase } from '../../support/database.js'
import { held, type HeldTransaction } from '../../support/held.js'
import { expectRejection, useRejectionCheck } from '../../support/rejections.js'

const database = useDatabase()
useRejectionCheck()

let prisma: TestClient
let id: number

beforeAll(() => {
  prisma = createClient(database).prisma
})

beforeEach(async () => {
  id = (await prisma.company.create({ data: { name: `company ${Math.random()}` } })).id
})

const holdRow = () => held(prisma, (tx) => tx.company.findUniqueOrThrow({ where: { id }, lock: 'forUpdate' }))

async function whileHeld(use: (holder: HeldTransaction) => Promise<void>): Promise<void> {
  const holder = await holdRow()
  try {
    await use(holder)
  } finally {
    await holder.rollback()
  }
}

describe('a find', () => {
  const nowait = { strength: 'forNoKeyUpdate', nowait: true } as const

  test('with nowait names the lock, the row and the session that holds it', () =>
    whileHeld(async (holder) => {
      const find = prisma.$transaction((tx) => tx.company.findUnique({ where: { id }, lock: nowait }))
      const error = await expectRejection(find, LockNotAvailableError, {
        code: 'LOCK_NOT_AVAILABLE',
        sqlState: '55P03',
        retryable: true,
        model: 'Company',
        strength: 'forNoKeyUpdate',
        cause: { code: 'P2039' },
      })
      expect(error.blockers?.map(({ pid }) => pid)).toEqual([holder.pid])
      expect(error.blockers?.[0]).toMatchObject({ state: 'idle in transaction', transactionAge: expect.any(Number) })
    }))

  test('with nowait takes the lock when nobody holds it', async () => {
    await expect(prisma.$transaction((tx) => tx.company.findUnique({ where: { id }, lock: nowait }))).resolves.toMatchObject({ id })
  })

  test('with nowait names both of two sessions that share the row', async () => {
    const share = () => held(prisma, (tx) => tx.company.findUnique({ where: { id }, lock: 'forShare' }))
    const holders = [await share(), await share()]
    const find = prisma.$transaction((tx) => tx.company.findUnique({ where: { id }, lock: nowait }))
    const error = await expectRejection(find, LockNotAvailableError)
    await Promise.all(holders.map((holder) => holder.rollback()))

    const pids = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)
    expect(pids(error.blockers!.map(({ pid }) => pid))).toEqual(pids(holders.map(({ pid }) => pid)))
  })

  test('with nowait names a holder that took the lock inside a savepoint', async () => {
    const holder = await held(prisma, async (tx) => {
      await tx.$executeRaw`SAVEPOINT inner_one`
      return tx.company.update({ where: { id }, data: { count: 1 } })
    })
    const find = prisma.$transaction((tx) => tx.company.findUnique({ where: { id }, lock: nowait }))
    const error = await expectRejection(find, LockNotAvailableError)
    await holder.rollback()
    expect(error.blockers?.map(({ pid }) => pid)).toEqual([holder.pid])
  })

  test('with a timeout gives up and names the session that holds the row', () =>
    whileHeld(async (holder) => {
      const lock = { strength: 'forUpdate', timeout: 30 } as const
      const error = await expectRejection(
        prisma.$transaction((tx) => tx.company.findMany({ where: { id }, lock })),
        LockTimeoutError,
        { code: 'LOCK_TIMEOUT', sqlState: '55P03', model: 'Company', key: { id }, strength: 'forUpdate', cause: { code: 'P2039' } },
      )
      expect(error.blockers?.map(({ pid }) => pid)).toEqual([holder.pid])
    }))

  test('under lockTimeout gives up and names the session that holds the row', () =>
    whileHeld(async (holder) => {
      const find = prisma.$transactionWithRetry((tx) => tx.company.findFirst({ where: { id }, lock: 'forUpdate' }), { lockTimeout: 30 })
      const error = await expectRejection(find, LockTimeoutError, { sqlState: '55P03', model: 'Company', strength: 'forUpdate' })
      expect(error.blockers?.map(({ pid }) => pid)).toEqual([holder.pid])
    }))

  test('in a batch gives up like in any transaction', () =>
    whileHeld(async (holder) => {
      const [locked, other] = [prisma.company.findUnique({ where: { id }, lock: nowait }), prisma.company.count()]
      const error = await expectRejection(prisma.$transaction([other, locked]), LockNotAvailableError, { model: 'Company' })
      expect(error.blockers?.map(({ pid }) => pid)).toEqual([holder.pid])
    }))
})

describe('a model query under lockTimeout', () => {
  test.each([
    ['update', (tx: TestClient) => tx.company.update({ where: { id }, data: { count: 1 } })],
    ['updateMany', (tx: TestClient) => tx.company.updateMany({ where: { id }, data: { count: 1 } })],
    ['delete', (tx: TestClient) => tx.company.delete({ where: { id } })],
  ])('gives up waiting in %s', (_, query) =>
    whileHeld(async () => {
      await expectRejection(
        prisma.$transactionWithRetry((tx) => query(tx as unknown as TestClient), { lockTimeout: 30 }),
        LockTimeoutError,
        {
          sqlState: '55P03',
          model: 'Company',
          cause: { code: 'P2039' },
        },
      )
    }),
  )

  test('gives up in a batch that sets the limit', () =>
    whileHeld(async () => {
      const batch = [prisma.$executeRaw`SET LOCAL lock_timeout = '30ms'`, prisma.company.updateMany({ where: { id }, data: { count: 1 } })]
      await expectRejection(prisma.$transaction(batch as never), LockTimeoutError, { sqlState: '55P03' })
    }))
})

describe('raw SQL', () => {
  test.each([
    ['$queryRaw', (tx: TestClient) => tx.$queryRaw`SELECT id FROM "Company" WHERE id = ${id} FOR UPDATE NOWAIT`],
    ['$queryRawUnsafe', (tx: TestClient) => tx.$queryRawUnsafe('SELECT id FROM "Company" WHERE id = $1 FOR UPDATE NOWAIT', id)],
    ['$executeRaw', (tx: TestClient) => tx.$executeRaw`SELECT id FROM "Company" WHERE id = ${id} FOR UPDATE nowait`],
    ['$executeRawUnsafe', (tx: TestClient) => tx.$executeRawUnsafe('LOCK TABLE "Company" IN EXCLUSIVE MODE NOWAIT')],
  ])('with NOWAIT is refused in %s', (_, query) =>
    whileHeld(async () => {
      await expectRejection(
        prisma.$transaction((tx) => query(tx as TestClient)),
        LockNotAvailableError,
        {
          sqlState: '55P03',
          cause: { code: 'P2010' },
        },
      )
    }),
  )

  test.each([
    ['$queryRaw', (tx: TestClient) => tx.$queryRaw`SELECT id FROM "Company" WHERE id = ${id} FOR UPDATE`],
    ['$queryRawUnsafe', (tx: TestClient) => tx.$queryRawUnsafe('SELECT id FROM "Company" WHERE id = $1 FOR UPDATE', id)],
    ['$executeRaw', (tx: TestClient) => tx.$executeRaw`UPDATE "Company" SET count = 1 WHERE id = ${id}`],
  ])('under SET lock_timeout times out in %s', (_, query) =>
    whileHeld(async () => {
      const run = prisma.$transaction(async (tx) => {
        await tx.$executeRaw`SET LOCAL lock_timeout = '30ms'`
        return query(tx as TestClient)
      })
      await expectRejection(run, LockTimeoutError, { sqlState: '55P03', cause: { code: 'P2010' } })
    }),
  )
})
