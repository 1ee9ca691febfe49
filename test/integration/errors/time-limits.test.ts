import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { lockable, PoolTimeoutError, rowLocks, StatementTimeoutError, TransactionExpiredError } from 'rowlock'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { createClient, type TestClient } from '../../support/client.js'
import { expectClean, useDatabase, waitUntil, waitUntilSessionsBlocked } from '../../support/database.js'
import { held } from '../../support/held.js'
import { expectRejection, useRejectionCheck } from '../../support/rejections.js'

const database = useDatabase()
useRejectionCheck()

let prisma: TestClient
let pool: Pool
let id: number

beforeAll(() => {
  ;({ prisma, pool } = createClient(database))
})

beforeEach(async () => {
  id = (await prisma.company.create({ data: { name: `company ${Math.random()}` } })).id
})

async function whileHeld(use: () => Promise<unknown>): Promise<void> {
  const holder = await held(prisma, (tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }))
  try {
    await use()
  } finally {
    await holder.rollback()
  }
}

const forever = () => new Promise<never>(() => undefined)
const countOf = async () => (await prisma.company.findUniqueOrThrow({ where: { id } })).count

describe('a statement that the server cancels', () => {
  const slow: [string, (tx: TestClient) => PromiseLike<unknown>, object][] = [
    ['$queryRaw', (tx) => tx.$queryRaw`SELECT pg_sleep(10)::text`, { cause: { code: 'P2010' } }],
    ['$queryRawUnsafe', (tx) => tx.$queryRawUnsafe('SELECT pg_sleep(10)::text'), { cause: { code: 'P2010' } }],
    ['$executeRaw', (tx) => tx.$executeRaw`SELECT pg_sleep(10)`, { cause: { code: 'P2010' } }],
    ['a locked find', (tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }), { model: 'Company', strength: 'forUpdate' }],
    ['an update', (tx) => tx.company.update({ where: { id }, data: { count: 1 } }), { model: 'Company', cause: { code: 'P2039' } }],
  ]

  test.each(slow)('by statement_timeout in %s is a StatementTimeoutError', (_, query, fields) =>
    whileHeld(async () => {
      const run = prisma.$transactionWithRetry(async (tx) => {
        await tx.$executeRaw`SET LOCAL statement_timeout = '30ms'`
        await query(tx as unknown as TestClient)
      })
      await expectRejection(run, StatementTimeoutError, { code: 'STATEMENT_TIMEOUT', sqlState: '57014', retryable: false, ...fields })
    }),
  )

  test('outside a transaction is a StatementTimeoutError', () =>
    whileHeld(async () => {
      const update = expectRejection(prisma.company.update({ where: { id }, data: { count: 1 } }), StatementTimeoutError, {
        sqlState: '57014',
      })
      const [blocked] = await waitUntilSessionsBlocked(database.sql, 1)
      await database.sql`SELECT pg_cancel_backend(${blocked!.pid})`
      await update
    }))

  test('in a batch is a StatementTimeoutError', async () => {
    const batch = [prisma.$executeRaw`SET LOCAL statement_timeout = '30ms'`, prisma.$executeRaw`SELECT pg_sleep(10)`]
    await expectRejection(prisma.$transaction(batch), StatementTimeoutError, { sqlState: '57014' })
  })
})

describe('a transaction that outlives its timeout', () => {
  const fields = { code: 'TRANSACTION_EXPIRED', retryable: false, message: expect.stringContaining('100 ms') as string }

  test('is rolled back in the middle of a lock wait', async () => {
    await whileHeld(async () => {
      const run = prisma.$transactionWithRetry(
        async (tx) => {
          // A limit of the caller's own, longer than the budget.
          await tx.$executeRaw`SET LOCAL lock_timeout = '20s'`
          await tx.company.update({ where: { id }, data: { count: 1 } })
        },
        { timeout: 100 },
      )
      await expectRejection(run, TransactionExpiredError, fields)
    })
    await expectClean(database.sql, { pools: [pool] })
    expect(await countOf()).toBe(0)
  })

  test('is rolled back while fn waits for something else', async () => {
    let signal: AbortSignal | undefined
    const run = prisma.$transactionWithRetry(
      async (tx, context) => {
        ;({ signal } = context)
        await tx.company.update({ where: { id }, data: { count: 1 } })
        await forever()
      },
      { timeout: 100 },
    )
    const error = await expectRejection(run, TransactionExpiredError, fields)
    expect(signal?.reason).toBe(error)
    await expectClean(database.sql, { pools: [pool] })
    expect(await countOf()).toBe(0)
  })

  test('refuses what fn sends after its end', async () => {
    let late: Promise<unknown> | undefined
    const run = prisma.$transactionWithRetry(
      async (tx, { signal }) => {
        late = new Promise((resolve, reject) => {
          signal.addEventListener('abort', () => void tx.company.update({ where: { id }, data: { count: 1 } }).then(resolve, reject))
        })
        late.catch(() => undefined)
        await forever()
      },
      { timeout: 100 },
    )
    await expectRejection(run, TransactionExpiredError, fields)
    await expect(late).rejects.toThrow()
    expect(await countOf()).toBe(0)
  })

  test('is rolled back in the middle of a statement that never ends', async () => {
    const run = prisma.$transactionWithRetry((tx) => tx.$queryRaw`SELECT pg_sleep(60)::text`, { timeout: 100 })
    await expectRejection(run, TransactionExpiredError, fields)
    await expectClean(database.sql, { pools: [pool] })
  })

  test('commits when it needs less, also with the longest timeout there is', async () => {
    const update = () =>
      prisma.$transactionWithRetry((tx) => tx.company.update({ where: { id }, data: { count: 1 } }), { timeout: 2_147_483_647 })
    await expect(update()).resolves.toMatchObject({ count: 1 })
  })

  test("keeps fn's own error when the deadline passes while it rolls back", () =>
    whileHeld(async () => {
      const failure = new Error('fn gave up')
      const run = prisma.$transactionWithRetry(
        async (tx) => {
          await tx.$executeRaw`SET LOCAL lock_timeout = '20s'`
          // The rollback queues behind this statement.
          tx.company.update({ where: { id }, data: { count: 1 } }).then(undefined, () => undefined)
          await waitUntilSessionsBlocked(database.sql, 1)
          throw failure
        },
        { timeout: 300 },
      )
      await expect(run).rejects.toBe(failure)
    }))

  test('is a TransactionExpiredError also when the server ends it', async () => {
    const [{ version }] = await database.sql<[{ version: number }]>`SELECT current_setting('server_version_num')::int AS version`
    if (version < 170_000) return
    const run = prisma.$transaction(async (tx) => {
      await tx.$executeRaw`SET LOCAL transaction_timeout = '50ms'`
      await tx.$queryRaw`SELECT pg_sleep(10)::text`
    })
    await expectRejection(run, TransactionExpiredError, { sqlState: '25P04', cause: { code: 'P2010' } })
  })
})

describe('a pool without a free connection', () => {
  test('is a PoolTimeoutError after maxWait, and the connection is usable again', async () => {
    const small = createClient(database, { poolSize: 1 })
    const holder = await held(small.prisma, (tx) => tx.company.count())
    let ran = false
    const run = small.prisma.$transactionWithRetry(async () => Promise.resolve((ran = true)), { maxWait: 50 })
    await expectRejection(run, PoolTimeoutError, { code: 'POOL_TIMEOUT', retryable: true, cause: { code: 'P2028' } })
    expect(ran).toBe(false)
    await holder.commit()
    await expectClean(database.sql, { pools: [small.pool] })
    expect(await small.prisma.company.count()).toBeGreaterThan(0)
  })

  test('is a PoolTimeoutError when the pool itself gives up', async () => {
    const ownPool = database.watch(new Pool({ connectionString: database.url, max: 1 }))
    const client = new PrismaClient({ adapter: lockable(new PrismaPg(ownPool)) }).$extends(rowLocks())
    const holder = await held(client, (tx) => tx.company.count())
    // Not before: the limit is also one for opening the connection, which may take longer on a busy machine.
    ownPool.options.connectionTimeoutMillis = 50
    await expectRejection(
      client.$transactionWithRetry((tx) => tx.company.count()),
      PoolTimeoutError,
    )
    await expectRejection(client.company.count(), PoolTimeoutError)
    await expectRejection(client.$queryRaw`SELECT 1`, PoolTimeoutError)
    await expectRejection(client.$transaction([client.company.count(), client.user.count()]), PoolTimeoutError)
    await holder.commit()
  })

  test('is waited for within maxWait', async () => {
    const small = createClient(database, { poolSize: 1 })
    const holder = await held(small.prisma, (tx) => tx.company.count())
    const run = small.prisma.$transactionWithRetry((tx) => tx.company.count(), { maxWait: 10_000 })
    await waitUntil('the transaction waits for the pool', async () => {
      await database.sql`SELECT 1`
      return small.pool.waitingCount > 0 || undefined
    })
    await holder.commit()
    await expect(run).resolves.toBeGreaterThan(0)
  })
})
