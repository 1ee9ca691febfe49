import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { IdempotencyConflictError, lockable, rowLocks } from 'rowlock'
import { once, sweepOnce } from 'rowlock/lockers'
import { expect, test } from 'vitest'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { expectRejection } from '../../support/rejections.js'
import { useZoo } from '../../support/zoo.js'
import { POOLED } from '../../support/through-pooler.js'

const zoo = useZoo()

test.each(['queries', 'joins'] as const)(
  'once and its sweep find their table and columns by their mapped names, in the client with %s',
  async (kind) => {
    const prisma = kind === 'queries' ? zoo.queries().prisma : zoo.joins()
    let runs = 0
    const run = async () => ++runs
    expect(await once(prisma, 'key', 1, run)).toBe(1)
    expect(await once(prisma, 'key', 1, run)).toBe(1)
    await expectRejection(once(prisma, 'key', 2, run), IdempotencyConflictError)
    await prisma.$transaction(async (tx) => {
      await expect(once(tx, 'other', 1, () => Promise.reject(new RangeError('no')))).rejects.toThrow(RangeError)
    })
    expect(await sweepOnce(prisma, { olderThan: 3_600_000 })).toBe(0)
    expect(await sweepOnce(prisma, { olderThan: 0 })).toBe(1)
    expect(await once(prisma, 'key', 2, run)).toBe(2)
    expect(await sweepOnce(prisma, { olderThan: 0 })).toBe(1)
  },
)

test('once and its sweep find their table in the schema of the driver adapter', async () => {
  const { database } = zoo
  await database.sql`CREATE SCHEMA tenant`
  await database.sql`CREATE TABLE tenant."IdempotencyRecord" (LIKE public."IdempotencyRecord" INCLUDING ALL)`
  const pool = database.watch(new Pool({ connectionString: database.url, max: 2 }))
  const prisma = new PrismaClient({ adapter: lockable(new PrismaPg(pool, { schema: 'tenant' }), POOLED) }).$extends(rowLocks())
  await once(prisma, 'key', 1, async () => 1)
  const [{ tenant, shared }] = await database.sql<[{ tenant: number; shared: number }]>`
    SELECT (SELECT count(*)::int FROM tenant."IdempotencyRecord") AS tenant, (SELECT count(*)::int FROM "IdempotencyRecord") AS shared`
  expect([tenant, shared]).toEqual([1, 0])
  expect(await sweepOnce(prisma, { olderThan: 0 })).toBe(1)
})
