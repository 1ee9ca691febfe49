import { PrismaPg } from '@prisma/adapter-pg'
import fc from 'fast-check'
import { Pool } from 'pg'
import { isRowLockError, lockable, lockInOrder, rowLocks } from 'rowlock'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { useDatabase } from '../../support/database.js'
import { POOLED } from '../../support/through-pooler.js'

const database = useDatabase()
let pool: Pool
let statements: string[] = []

function createLoggingClient() {
  pool = database.watch(new Pool({ connectionString: database.url, max: 5 }))
  const plain = new PrismaClient({ adapter: lockable(new PrismaPg(pool), POOLED), log: [{ emit: 'event', level: 'query' }] })
  plain.$on('query', ({ query }) => statements.push(query))
  return plain.$extends(rowLocks())
}

/** The client as JavaScript sees it. */
interface Untyped {
  $transaction(run: (tx: Untyped) => unknown): Promise<unknown>
  [model: string]: any
}

let prisma: ReturnType<typeof createLoggingClient>
let untyped: Untyped

beforeAll(async () => {
  prisma = createLoggingClient()
  untyped = prisma
  await prisma.company.createMany({ data: [{ name: 'a' }, { name: 'b' }] })
})
beforeEach(() => {
  statements = []
})

/** Statements that reach PostgreSQL, BEGIN and ROLLBACK aside. */
const sent = () => statements.filter((sql) => !/^(BEGIN|ROLLBACK|COMMIT)/.test(sql))

describe('outside a transaction', () => {
  test.each(['findUnique', 'findUniqueOrThrow', 'findFirst', 'findFirstOrThrow', 'findMany'])(
    '%s with a lock is refused before anything is sent',
    async (operation) => {
      await expect(untyped['company'][operation]({ where: { id: 1 }, lock: 'forUpdate' })).rejects.toMatchObject({
        code: 'LOCK_OUTSIDE_TRANSACTION',
        model: 'Company',
        strength: 'forUpdate',
      })
      expect(statements).toEqual([])
    },
  )

  test('a marker that slips past the extension is refused by the adapter', async () => {
    // An extension that leaves the transaction: it sends the query on, by another client, after our hook.
    const escaping = prisma.$extends({
      query: { company: { findMany: ({ args }) => (prisma as never as { $parent: PrismaClient }).$parent.company.findMany(args) } },
    })
    await expect(escaping.$transaction((tx) => tx.company.findMany({ lock: 'forUpdate' }))).rejects.toMatchObject({
      code: 'LOCK_OUTSIDE_TRANSACTION',
    })
    expect(sent()).toEqual([])
  })
})

describe('without lockable() around the adapter', () => {
  test('a lock is an error and never an unlocked read', async () => {
    const bare = database.watch(new Pool({ connectionString: database.url, max: 2 }))
    const client = new PrismaClient({ adapter: new PrismaPg(bare) }).$extends(rowLocks())
    for (const run of [
      () => client.$transaction((tx) => tx.company.findUnique({ where: { id: 1 }, lock: 'forUpdate' })),
      () => client.$transaction([client.company.findMany({ lock: 'forUpdate' })]),
    ]) {
      await expect(run()).rejects.toMatchObject({ code: 'LOCK_NOT_APPLIED', model: 'Company' })
    }
  })
})

describe('what PostgreSQL or Prisma cannot lock', () => {
  test.each([
    ['aggregate', { _count: true }],
    ['count', {}],
    ['groupBy', { by: ['name'] }],
    ['update', { where: { id: 1 }, data: { count: 1 } }],
    ['updateMany', { data: { count: 1 } }],
    ['create', { data: { name: 'x' } }],
    ['delete', { where: { id: 1 } }],
    ['upsert', { where: { id: 1 }, create: { name: 'x' }, update: {} }],
  ])('%s with a lock is refused', async (operation, args) => {
    await expect(untyped.$transaction((tx) => tx['company'][operation]({ ...args, lock: 'forUpdate' }))).rejects.toMatchObject({
      code: 'LOCK_NOT_SUPPORTED',
    })
    expect(sent()).toEqual([])
  })

  test('arguments whose prototype throws are refused', async () => {
    // A function is what Prisma copies without a look.
    const { proxy, revoke } = Proxy.revocable(() => undefined, {})
    revoke()
    for (const lock of [{ lock: 'forUpdate' }, {}]) {
      const args: object = Object.defineProperty({ where: { id: 1 }, ...lock }, '__proto__', { value: proxy, enumerable: true })
      await expect(untyped.$transaction((tx) => tx['company'].findUnique(args))).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    }
    expect(sent()).toEqual([])
  })

  test('distinct with a lock is refused', async () => {
    await expect(untyped.$transaction((tx) => tx['company'].findMany({ distinct: ['name'], lock: 'forUpdate' }))).rejects.toMatchObject({
      code: 'LOCK_NOT_SUPPORTED',
    })
    expect(sent()).toEqual([])
  })

  test('a page that Prisma turns in memory cannot be locked in $transaction([…])', async () => {
    const page = prisma.company.findMany({ cursor: { id: 1 }, orderBy: { count: 'asc' }, lock: 'forUpdate' })
    await expect(prisma.$transaction([page])).rejects.toMatchObject({ code: 'LOCK_NOT_SUPPORTED' })
    expect(sent()).toEqual([])
  })
})

describe('a findUnique that names no row', () => {
  test.each([
    ['no where', {}],
    ['an empty where', { where: {} }],
    ['an undefined value', { where: { id: undefined } }],
    ['a null', { where: { id: null } }],
    ['a field that is not unique', { where: { count: 0 } }],
    ['a filter instead of a value', { where: { id: { in: [1, 2] } } }],
    ['an unknown key', { where: { nonsense: 1 } }],
    ['an OR alone', { where: { OR: [{ id: 1 }] } }],
    ['an array', { where: [1] }],
  ])('with %s is refused and locks nothing', async (_, args) => {
    await expect(untyped.$transaction((tx) => tx['company'].findUnique({ ...args, lock: 'forUpdate' }))).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    })
    expect(sent()).toEqual([])
  })
})

test.each([
  ['no where', {}],
  ['an empty where', { where: {} }],
  ['an undefined value', { where: { id: undefined } }],
  ['an unknown key', { where: { nonsense: 1 } }],
])('withLock with %s is refused, as it would lock any row', async (_, args) => {
  await expect(untyped['company'].withLock(args, async () => undefined)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  expect(statements).toEqual([])
})

test('a skip in the range of the markers is refused', async () => {
  await expect(prisma.$transaction((tx) => tx.company.findMany({ skip: 2 ** 31, lock: 'forUpdate' }))).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    option: 'skip',
  })
  await expect(untyped.$transaction((tx) => tx['company'].findMany({ skip: -1, lock: 'forUpdate' }))).rejects.toMatchObject({
    code: 'INVALID_OPTION',
  })
})

describe('1,000 generated bad inputs', () => {
  const anything = fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true, withSparseArray: true })
  const strengths = ['forUpdate', 'forNoKeyUpdate', 'forShare', 'forKeyShare']
  const isGood = (option: unknown): boolean => strengths.includes(option as string)
  const badLock = fc.oneof(
    anything.filter((value) => value !== undefined && !isGood(value)),
    fc.string().filter((value) => !isGood(value)),
    fc.record({ strength: anything.filter((value) => !isGood(value)) }),
    fc.record({ strength: fc.constantFrom(...strengths), nowait: fc.constant(true), skipLocked: fc.constant(true) }),
    fc.record({
      strength: fc.constantFrom(...strengths),
      nowait: anything.filter((value) => typeof value !== 'boolean' && value !== undefined),
    }),
    fc
      .record({
        strength: fc.constantFrom(...strengths),
        timeout: fc.oneof(fc.double(), fc.constant(0), fc.integer({ max: 0 }), fc.string()),
      })
      .filter(({ timeout }) => !(Number.isInteger(timeout) && (timeout as number) >= 1)),
    fc.record({ strength: fc.constantFrom(...strengths), timeout: fc.integer({ min: 1 }), skipLocked: fc.constant(true) }),
    fc.record({ strength: fc.constantFrom(...strengths), wait: anything }),
  )

  test('of `lock` are typed errors; nothing is sent, and the pool is idle afterwards', async () => {
    await fc.assert(
      fc.asyncProperty(badLock, fc.constantFrom('findUnique', 'findFirst', 'findMany'), async (lock, operation) => {
        const result = await Promise.resolve(untyped['company'][operation]({ where: { id: 1 }, lock })).then(
          () => 'resolved',
          (error: unknown) => error,
        )
        expect(isRowLockError(result) && result.code).toBe('INVALID_OPTION')
      }),
      { numRuns: 1_000 },
    )
    expect(statements).toEqual([])
    expect(pool.totalCount - pool.idleCount).toBe(0)
  })

  test('of lockInOrder are typed errors; nothing is locked', async () => {
    const badRows = fc.oneof(
      anything.filter((value) => !Array.isArray(value)),
      fc.array(anything, { minLength: 1 }),
      fc.array(fc.record({ model: fc.oneof(fc.string(), anything), where: anything }), { minLength: 1 }),
      fc.array(fc.record({ model: fc.constant('company'), where: fc.oneof(anything, fc.record({ count: fc.integer() })) }), {
        minLength: 1,
      }),
    )
    await prisma.$transaction(
      async (tx) => {
        await fc.assert(
          fc.asyncProperty(badRows, async (rows) => {
            const result = await lockInOrder(tx as never, rows as never).then(
              () => 'resolved',
              (error: unknown) => error,
            )
            expect(isRowLockError(result) && result.code).toBe('INVALID_OPTION')
          }),
          { numRuns: 1_000 },
        )
      },
      { timeout: 25_000 },
    )
    expect(sent()).toEqual([])
  })
})

test('lockable refuses what is no PostgreSQL adapter', () => {
  for (const adapter of [undefined, null, {}, 'pg', { connect: 1 }, { connect: () => undefined, provider: 'sqlite' }]) {
    expect(() => lockable(adapter as never)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', option: 'adapter' }))
  }
})
