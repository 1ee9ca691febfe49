import { PrismaPg } from '@prisma/adapter-pg'
import { readReplicas } from '@prisma/extension-read-replicas'
import { Pool } from 'pg'
import { lockable, rowLocks } from 'rowlock'
import { beforeAll, describe, expect, test } from 'vitest'
import { Prisma, PrismaClient } from '../../../src/generated/prisma/client.js'
import { useDatabase } from '../../support/database.js'
import { held } from '../../support/held.js'
import { lockedRows } from '../../support/locked-rows.js'
import { POOLED } from '../../support/through-pooler.js'

const database = useDatabase()
const lockedUsers = () => lockedRows(database.sql, '"User"')
const lockedCompanies = () => lockedRows(database.sql, '"Company"')

function plainClient(name = 'main') {
  const pool = database.watch(new Pool({ connectionString: database.url, max: 5, application_name: name }))
  return new PrismaClient({ adapter: lockable(new PrismaPg(pool), POOLED) })
}

beforeAll(async () => {
  await database.sql`INSERT INTO "Company" (name, count) VALUES ('gone', 0), ('here', 1)`
  await database.sql`INSERT INTO "User" (name) VALUES ('Ada')`
})

/** What people write for soft deletes: a filter added to every read. */
const softDelete = Prisma.defineExtension({
  query: {
    company: {
      async $allOperations({ operation, args, query }) {
        if (!operation.startsWith('find')) return query(args)
        const { where } = args as { where?: object }
        return query({ ...args, where: { ...where, count: { gt: 0 } } })
      },
    },
  },
})

describe.each([
  ['before', () => plainClient().$extends(softDelete).$extends(rowLocks())],
  ['after', () => plainClient().$extends(rowLocks()).$extends(softDelete)],
] as const)('a soft-delete filter applied %s rowLocks()', (_, client) => {
  test('holds for every locked find', async () => {
    const prisma = client()
    await prisma.$transaction(async (tx) => {
      const lock = 'forUpdate'
      expect(await tx.company.findUnique({ where: { name: 'gone' }, lock })).toBeNull()
      expect(await tx.company.findUnique({ where: { name: 'here' }, lock })).toMatchObject({ count: 1 })
      expect(await tx.company.findFirst({ where: { name: 'gone' }, lock })).toBeNull()
      expect(await tx.company.findMany({ lock })).toHaveLength(1)
    })
  })

  test('keeps a filtered row unlocked', async () => {
    const holder = await held(client(), (tx) => tx.company.findMany({ lock: 'forUpdate' }))
    expect(await lockedCompanies()).toEqual([2])
    await holder.commit()
  })

  test('holds in withLock', async () => {
    await expect(client().company.withLock({ where: { name: 'gone' } }, async () => 'locked')).rejects.toMatchObject({
      code: 'RECORD_NOT_FOUND',
    })
    await expect(client().company.withLock({ where: { name: 'here' } }, async (row) => row.count)).resolves.toBe(1)
  })
})

/** A computed field that needs a column which the caller did not select. */
const shout = Prisma.defineExtension({
  result: { user: { shout: { needs: { name: true }, compute: ({ name }) => name.toUpperCase() } } },
})

describe.each([
  ['before', () => plainClient().$extends(shout).$extends(rowLocks())],
  ['after', () => plainClient().$extends(rowLocks()).$extends(shout)],
] as const)('a computed field defined %s rowLocks()', (_, client) => {
  test('is computed on locked rows', async () => {
    const holder = await held(client(), (tx) => tx.user.findUnique({ where: { id: 1 }, select: { shout: true }, lock: 'forUpdate' }))
    expect(Object.entries(holder.result!)).toEqual([['shout', 'ADA']])
    expect(await lockedUsers()).toEqual([1])
    await holder.commit()
    expect(await client().user.withLock({ where: { id: 1 } }, async (row) => row.shout)).toBe('ADA')
  })
})

describe.each([
  [
    'before',
    () =>
      plainClient()
        .$extends(readReplicas({ replicas: [plainClient('replica')] }))
        .$extends(rowLocks()),
  ],
  [
    'after',
    () =>
      plainClient()
        .$extends(rowLocks())
        .$extends(readReplicas({ replicas: [plainClient('replica')] })),
  ],
] as const)('read replicas added %s rowLocks()', (order, client) => {
  test('a locked find in a transaction runs on the primary', async () => {
    const holder = await held(client() as never as ReturnType<typeof plainClient>, async (tx) => {
      await (tx.user.findUnique as (args: object) => Promise<unknown>)({ where: { id: 1 }, lock: 'forUpdate' })
    })
    const [{ application_name: name }] = await database.sql<[{ application_name: string }]>`
      SELECT application_name FROM pg_stat_activity WHERE pid = ${holder.pid}`
    expect(name).toBe('main')
    expect(await lockedUsers()).toEqual([1])
    await holder.commit()
  })

  test('a locked find outside a transaction is refused, and reads no replica unlocked', async () => {
    const find = (client() as unknown as { user: { findUnique(args: object): Promise<unknown> } }).user.findUnique({
      where: { id: 1 },
      lock: 'forUpdate',
    })
    // With the replicas first, the call goes to a replica's client, which does not know `lock`.
    await expect(find).rejects.toMatchObject(
      order === 'after' ? { code: 'LOCK_OUTSIDE_TRANSACTION' } : { name: 'PrismaClientValidationError' },
    )
  })
})

test('two rowlock extensions on one client are one too many but still lock', async () => {
  const prisma = plainClient().$extends(rowLocks()).$extends(rowLocks())
  const holder = await held(prisma, (tx) => tx.user.findUnique({ where: { id: 1 }, lock: 'forUpdate' }))
  expect(await lockedUsers()).toEqual([1])
  await holder.commit()
})

test('clients extended later keep their own models, and the first client keeps its own', async () => {
  const first = plainClient().$extends(rowLocks())
  const second = first.$extends(softDelete)
  await expect(first.company.withLock({ where: { name: 'gone' } }, async (row) => row.name)).resolves.toBe('gone')
  await expect(second.company.withLock({ where: { name: 'gone' } }, async (row) => row.name)).rejects.toMatchObject({
    code: 'RECORD_NOT_FOUND',
  })
})

test('a query extension for findUnique alone sees a locked findUnique', async () => {
  const seen: string[] = []
  const prisma = plainClient()
    .$extends(rowLocks())
    .$extends({
      query: {
        user: {
          findUnique({ args, query }) {
            seen.push(JSON.stringify(args.where))
            return query(args)
          },
        },
      },
    })
  await prisma.$transaction((tx) => tx.user.findUnique({ where: { id: 1 }, lock: 'forUpdate' }))
  expect(seen).toEqual(['{"id":1}'])
})

test('a model method that calls its parent does so once', async () => {
  let calls = 0
  const prisma = plainClient()
    .$extends(rowLocks())
    .$extends({
      model: {
        user: {
          async findMany(this: unknown, args: object): Promise<unknown[]> {
            calls++
            const { $parent } = Prisma.getExtensionContext(this) as unknown as {
              $parent: { user: { findMany(args: object): Promise<unknown[]> } }
            }
            return $parent.user.findMany(args)
          },
        },
      },
    })
  expect(await prisma.$transaction((tx) => tx.user.findMany({ lock: 'forUpdate' }))).toHaveLength(1)
  expect(calls).toBe(1)
})
