import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { InvalidOptionError, lockable, rowLocks, type TransactionClientOf } from 'rowlock'
import { once } from 'rowlock/lockers'
import { beforeAll, describe, expect, test } from 'vitest'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { readLabel } from '../../../src/sql/transaction-label.js'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase } from '../../support/database.js'
import { expectRejection, useRejectionCheck } from '../../support/rejections.js'
import { throughProxy } from '../../support/wire.js'

const database = useDatabase()
useRejectionCheck()

type Tx = TransactionClientOf<TestClient>

function clientNamed(name: string) {
  const pool = database.watch(new Pool({ connectionString: database.url, max: 1, application_name: name }))
  return new PrismaClient({ adapter: lockable(new PrismaPg(pool)) }).$extends(rowLocks())
}

/** What all other sessions see of the session that `tx` runs in. */
async function shownOf(tx: Tx): Promise<string> {
  const [{ pid }] = await tx.$queryRaw<[{ pid: number }]>`SELECT pg_backend_pid() AS pid WHERE ${true}`
  return shown(pid)
}

async function shown(pid: number): Promise<string> {
  const [row] = await database.sql<[{ name: string }]>`SELECT application_name AS name FROM pg_stat_activity WHERE pid = ${pid}`
  return row.name
}

const nameOf = async (tx: Tx) => (await tx.$queryRaw<[{ name: string }]>`SELECT current_setting('application_name') AS name`)[0].name

let prisma: TestClient
beforeAll(() => {
  prisma = clientNamed('api')
})

test('a label stands in pg_stat_activity while the transaction runs, also in its first statement', async () => {
  const seen = await prisma.$transactionWithRetry(async (tx) => [await nameOf(tx), await shownOf(tx)], { label: 'close month' })
  expect(seen).toEqual(['api rowlock:close month', 'api rowlock:close month'])
})

test.each<[string, (tx: Tx) => Promise<unknown>]>([
  ['a commit', async () => 1],
  ['a rollback', async () => Promise.reject(new Error('no'))],
  ['a statement that fails', async (tx) => tx.$queryRaw`SELECT 1 / ${0}::int`],
  ['a rollback to a savepoint', async (tx) => tx.$transaction((nested) => nested.$queryRaw`SELECT 1 / ${0}::int`).catch(() => undefined)],
  [
    'a COMMIT that goes along with the last write',
    async (tx) => tx.company.create({ data: { name: `company ${Math.random()}` }, commit: true } as never),
  ],
])('it is gone after %s, from the same connection', async (_, run) => {
  let pid = 0
  await prisma
    .$transactionWithRetry(
      async (tx) => {
        ;[{ pid }] = await tx.$queryRaw<[{ pid: number }]>`SELECT pg_backend_pid() AS pid`
        return run(tx)
      },
      { label: 'short', retry: false },
    )
    .catch(() => undefined)
  expect(await prisma.$transaction((tx) => tx.$queryRaw`SELECT pg_backend_pid() AS pid`)).toEqual([{ pid }])
  expect(await shown(pid)).toBe('api')
  expect(await prisma.$transactionWithRetry((tx) => nameOf(tx))).toBe('api')
})

test('withLock and once take a label, too', async () => {
  const company = await prisma.company.create({ data: { name: `company ${Math.random()}` } })
  const where = { id: company.id }
  expect(await prisma.company.withLock({ where }, (_, tx) => nameOf(tx as never), { label: 'row' })).toBe('api rowlock:row')
  expect(await once(prisma, `key ${Math.random()}`, 1, (tx) => nameOf(tx), { label: 'key' })).toBe('api rowlock:key')
})

test.each([["it's"], ['back\\slash\\'], ["\\'; SELECT pg_sleep(9) --"], ['$1 %s "quoted"'], [' rowlock:'], ['x'.repeat(40)]])(
  'the label %j arrives as it is, whatever standard_conforming_strings is',
  async (label) => {
    const conforming = clientNamed('api')
    for (const setting of ['on', 'off']) {
      await conforming.$executeRawUnsafe(`SET standard_conforming_strings = ${setting}`)
      expect(readLabel(await conforming.$transactionWithRetry((tx) => nameOf(tx), { label }))).toEqual({ applicationName: 'api', label })
    }
  },
)

test.each([['x'.repeat(63)], ['größer als gedacht, und noch viel länger als das'], ['']])(
  'the application name %j is shortened so that all of it fits',
  async (name) => {
    const label = 'y'.repeat(40)
    const client = clientNamed(name)
    const plain = await client.$transaction((tx) => nameOf(tx as never))
    const labelled = await client.$transactionWithRetry((tx) => shownOf(tx), { label })
    expect(labelled).toBe(`${plain.slice(0, 14)} rowlock:${label}`)
    expect(labelled.length).toBeLessThanOrEqual(63)
  },
)

describe('on the wire', () => {
  const run = (tx: Tx) => tx.company.findFirst({ where: { name: 'nobody' } })

  test('a label takes no round trip of its own', async () => {
    await using proxied = await throughProxy(database)
    await proxied.client.$transactionWithRetry(run, { label: 'close month' })
    expect(proxied.sent).toHaveLength(2)
    expect(proxied.sent[0]).toMatch(/BEGIN[^]*rowlock:close month[^]*SELECT/)
  })

  test('without a label not one byte more is sent than the limits take', async () => {
    await using proxied = await throughProxy(database)
    await proxied.client.$transactionWithRetry(run)
    expect(proxied.sent.join('')).not.toContain('application_name')
    expect(proxied.sent[0]).toContain(`SELECT pg_backend_pid(), set_config('lock_timeout', '4750ms', true)\0`)
  })

  test('a transaction whose BEGIN is sent by itself sets the label with its limits', async () => {
    await using proxied = await throughProxy(database)
    // An extension's own `$transaction` is one that rowlock knows nothing of.
    const client = proxied.client.$extends((base) =>
      base.$extends({
        client: {
          $transaction: async (work: (tx: never) => Promise<never>, options?: object) => base.$transaction(work as never, options),
        },
      }),
    ) as unknown as TestClient
    const names = []
    for (const label of ['close month', undefined]) {
      proxied.sent.length = 0
      names.push(await client.$transactionWithRetry((tx) => nameOf(tx), { label }))
      expect(proxied.sent).toHaveLength(4)
      expect(proxied.sent.join('').includes('rowlock:close')).toBe(label !== undefined)
    }
    expect(names).toEqual([' rowlock:close month', ''])
  })
})

test.each([[''], ['x'.repeat(41)], ['größe'], ['a\nb'], [7], [null]])('the label %j is refused, and nothing is sent', async (label) => {
  await using proxied = await throughProxy(database)
  await expectRejection(
    proxied.client.$transactionWithRetry(async () => 1, { label: label as string }),
    InvalidOptionError,
    {
      option: 'label',
    },
  )
  expect(proxied.sent).toEqual([])
})

test('two clients of one database tell their labels apart', async () => {
  const { prisma: other } = createClient(database)
  const names = await Promise.all([
    prisma.$transactionWithRetry((tx) => nameOf(tx), { label: 'first' }),
    other.$transactionWithRetry((tx) => nameOf(tx), { label: 'second' }),
  ])
  expect(names.map((name) => readLabel(name).label)).toEqual(['first', 'second'])
})
