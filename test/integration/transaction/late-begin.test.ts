import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { lockable, rowLocks, type TransactionClientOf, type TransactionOptions } from 'rowlock'
import { beforeAll, beforeEach, expect, test } from 'vitest'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { transactionStateOf } from '../../../src/transaction/open-transactions.js'
import { startAnnouncingProxy } from '../../support/announcing-proxy.js'
import { createClient, type TestClient } from '../../support/client.js'
import { blockedBy, useDatabase, waitUntilSessionsBlocked } from '../../support/database.js'
import { held } from '../../support/held.js'
import { rejectionOf, useRejectionCheck } from '../../support/rejections.js'
import { throughProxy } from '../../support/wire.js'

type Tx = TransactionClientOf<TestClient>

const database = useDatabase()
useRejectionCheck()

let prisma: TestClient
let id: number

beforeAll(() => {
  ;({ prisma } = createClient(database))
})

beforeEach(async () => {
  id = (await prisma.company.create({ data: { name: `company ${Math.random()}` } })).id
})

const countOf = async () => (await prisma.company.findUniqueOrThrow({ where: { id } })).count

async function example(tx: Tx): Promise<void> {
  const { count } = await tx.company.findUniqueOrThrow({ where: { id }, lock: 'forUpdate' })
  await tx.company.update({ where: { id }, data: { count: count + 1 } })
  await tx.company.create({ data: { name: `another ${Math.random()}` } })
}

const limitOf = async (tx: Tx) => {
  const [row] = await tx.$queryRaw<[{ limit: string; pid: number }]>`
    SELECT current_setting('lock_timeout') AS limit, pg_backend_pid() AS pid WHERE ${true}`
  return row
}

test.each<[TransactionOptions]>([[{}], [{ isolationLevel: 'RepeatableRead' }], [{ isolationLevel: 'Serializable', lockTimeout: 100 }]])(
  'a locked find, an update and a create take four round trips with BEGIN and COMMIT, with %j',
  async (options) => {
    await using proxied = await throughProxy(database)
    await proxied.client.$transactionWithRetry(example, options)
    expect(proxied.sent).toHaveLength(4)
    expect(proxied.sent[0]).toMatch(/BEGIN[^]*lock_timeout[^]*FOR UPDATE/)
    expect(proxied.sent[3]).toContain('COMMIT')
    expect(await countOf()).toBe(1)
  },
)

test('the isolation level is the one asked for', async () => {
  const level = await prisma.$transactionWithRetry(
    (tx) => tx.$queryRaw`SELECT current_setting('transaction_isolation') AS level WHERE ${true}`,
    { isolationLevel: 'Serializable' },
  )
  expect(level).toEqual([{ level: 'serializable' }])
})

test('a transaction that sends nothing costs no round trip', async () => {
  await using proxied = await throughProxy(database)
  expect(await proxied.client.$transactionWithRetry(async () => Promise.resolve('done'))).toBe('done')
  await expect(proxied.client.$transactionWithRetry(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(proxied.sent).toHaveLength(0)
})

test.each<[string, (tx: Tx) => PromiseLike<unknown>]>([
  [
    'several statements at once',
    (tx) => tx.$executeRawUnsafe(`SET LOCAL work_mem = '1MB'; UPDATE "Company" SET count = 5 WHERE id = ${id}`),
  ],
  ['a savepoint', (tx) => tx.$transaction((nested) => nested.company.update({ where: { id }, data: { count: 5 } }))],
  ['no statement at all', (tx) => tx.$executeRawUnsafe('').then(() => tx.company.update({ where: { id }, data: { count: 5 } }))],
])('a transaction may begin with %s', async (_, first) => {
  const limit = await prisma.$transactionWithRetry(
    async (tx) => {
      await first(tx)
      return limitOf(tx)
    },
    { lockTimeout: 321 },
  )
  expect(limit).toMatchObject({ limit: '321ms' })
  expect(await countOf()).toBe(5)
})

test('what is sent at once arrives in order, whatever goes along with BEGIN', async () => {
  for (const first of [Promise.resolve(), undefined]) {
    await prisma.$transactionWithRetry(async (tx) => {
      await Promise.all([
        first ? tx.$executeRaw`UPDATE "Company" SET count = ${1} WHERE id = ${id}` : tx.$executeRawUnsafe(`UPDATE "Company" SET count = 1`),
        tx.$executeRaw`UPDATE "Company" SET count = count * 10 + ${2} WHERE id = ${id}`,
        tx.$executeRawUnsafe(`UPDATE "Company" SET count = count * 10 + 3 WHERE id = ${id}`),
      ])
    })
    expect(await countOf()).toBe(123)
  }
})

test('transactions that are opened at once have each its own limit and know each its own backend', async () => {
  const { prisma: busy } = createClient(database, { poolSize: 8 })
  const run = (lockTimeout: number) =>
    busy.$transactionWithRetry(
      async (tx) => {
        const { limit, pid } = await limitOf(tx)
        expect(transactionStateOf(tx)?.pid).toBe(pid)
        expect(limit).toBe(`${lockTimeout}ms`)
      },
      { lockTimeout, maxWait: 20_000 },
    )
  await Promise.all(Array.from({ length: 100 }, (_, index) => [run(100 + index), busy.$transaction([busy.company.count()])]).flat())
})

test('the next user of the connection has no limit, nor has a transaction that fn opens', async () => {
  const { prisma: two } = createClient(database, { poolSize: 2 })
  const plain = () => two.$transaction(async (tx) => (await limitOf(tx)).limit)
  const inside = await two.$transactionWithRetry(
    async (tx) => [(await limitOf(tx)).limit, await plain(), (await two.$transaction([two.$queryRaw`SHOW lock_timeout`]))[0]],
    { lockTimeout: 321 },
  )
  expect(inside).toEqual(['321ms', '0', [{ lock_timeout: '0' }]])
  await expect(two.$transactionWithRetry((tx) => tx.$queryRaw`SELECT 1 / ${0}::int`, { lockTimeout: 321 })).rejects.toThrow()
  expect(await Promise.all([plain(), plain()])).toEqual(['0', '0'])
})

test('a wait of the first statement is cancelled also behind a pooler, which refuses settings and has process ids of its own', async () => {
  await using proxy = await startAnnouncingProxy(database.url)
  const pool = database.watch(new Pool({ connectionString: proxy.url, max: 1 }))
  const pooled = new PrismaClient({ adapter: lockable(new PrismaPg(pool), { connection: proxy.url }) }).$extends(rowLocks())
  const holder = await held(prisma, (tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }))
  const controller = new AbortController()
  const run = rejectionOf(pooled.$transactionWithRetry(example, { signal: controller.signal }))
  const [waiter] = await waitUntilSessionsBlocked(database.sql, 1)
  const reason = new Error('the caller went away')
  controller.abort(reason)
  expect(await run).toBe(reason)
  expect(await blockedBy(database.sql, waiter!.pid)).toEqual([])
  await holder.rollback()
  await pooled.$disconnect()
  await pool.end()
})

test('nothing is sent outside a transaction when BEGIN fails, and the connection goes back clean', async () => {
  await using proxied = await throughProxy(database)
  const pass = proxied.proxy.fate
  proxied.proxy.fate = (data) => {
    const begin = data.indexOf('BEGIN')
    if (begin >= 0) data.write('BEGUN', begin)
    return pass(data)
  }
  const errors: unknown[] = []
  const update = (tx: Tx) => tx.company.update({ where: { id }, data: { count: 1 } }).catch((error: unknown) => void errors.push(error))
  const run = proxied.client.$transactionWithRetry(async (tx) => {
    await update(tx)
    await update(tx)
  })
  await expect(run).rejects.toThrow('BEGUN')
  expect(errors).toHaveLength(2)
  expect(proxied.sent.slice(1).join()).not.toContain('UPDATE')
  expect(await countOf()).toBe(0)
  proxied.proxy.fate = pass
  await proxied.client.$transactionWithRetry(example)
  expect(await countOf()).toBe(1)
})

test('a `$transaction` of an extension’s own takes one more round trip and keeps all limits', async () => {
  await using proxied = await throughProxy(database)
  const client = proxied.client.$extends((base) =>
    base.$extends({
      client: {
        async $transaction<R>(run: (tx: never) => Promise<R>, options?: object) {
          await base.$transaction((tx) => tx.company.count())
          return base.$transaction(run as never, options) as Promise<R>
        },
      },
    }),
  ) as unknown as TestClient
  expect(await client.$transactionWithRetry((tx) => limitOf(tx), { lockTimeout: 321 })).toMatchObject({ limit: '321ms' })
})
