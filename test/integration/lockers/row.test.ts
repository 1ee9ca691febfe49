import fc from 'fast-check'
import { InvalidOptionError, LockNotAvailableError, LockNotSupportedError, lockable, RecordNotFoundError, rowLocks } from 'rowlock'
import { type HeldRow, rowLocker } from 'rowlock/lockers'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { createClient, type TestClient } from '../../support/client.js'
import { held as hold } from '../../support/held.js'
import { useDatabase, waitUntilSessionsBlocked } from '../../support/database.js'
import { connectionLockerSuite } from '../../support/lockers/connection-locker-suite.js'
import { expectFree, expectRefused, ODD_KEYS } from '../../support/lockers/locker-checks.js'
import { lockerSuite } from '../../support/lockers/locker-suite.js'
import { expectRejection, rejectionOf, useRejectionCheck } from '../../support/rejections.js'

const database = useDatabase()
useRejectionCheck()

let prisma: TestClient
let id: number
let key: string
beforeAll(() => {
  ;({ prisma } = createClient(database))
})
beforeEach(async () => {
  const user = await prisma.user.create({ data: { name: 'Ada', wallet: { create: { balance: 100 } } } })
  id = user.id
  key = String(id)
})

// PostgreSQL stores no NUL, UTF-8 no unpaired surrogate, and no unique index more than 2,704 bytes.
const STORABLE_KEYS = ODD_KEYS.filter((one) => !/[\0\p{Cs}]/u.test(one) && one.length < 2_000)

lockerSuite({
  name: 'rowLocker',
  setup: async () => {
    const client = createClient(database).prisma
    const create = () => rowLocker(client, 'Company', { by: 'name' })
    const prepare = (names: readonly string[]) => client.company.createMany({ data: names.map((name) => ({ name })), skipDuplicates: true })
    await prepare(['counter'])
    return { locker: create(), other: create(), oddKeys: STORABLE_KEYS, prepare, close: () => client.$disconnect() }
  },
  processes: { database, module: new URL('../../support/lockers/pool-actors.ts', import.meta.url), exportName: 'rowIncrement' },
})

describe('a row that is held', () => {
  connectionLockerSuite({
    holding: 'row',
    database,
    setup: (poolSize) => {
      const { prisma: client, pool } = createClient(database, { poolSize })
      return {
        pool,
        create: (limits) => rowLocker(client, 'Company', { by: 'name', ...limits }),
        increment: (held, name) => (held as HeldRow<TestClient>).tx.company.update({ where: { name }, data: { count: { increment: 1 } } }),
      }
    },
  })
})

describe('what the lock excludes', () => {
  const update = () => database.sql`UPDATE "User" SET name = 'Bo' WHERE id = ${id}`

  test.each([{}, { shared: true }])('an update from anywhere waits for a holder with %o', async (options) => {
    const held = await rowLocker(prisma, 'User').acquire(key, options)
    const updated = prisma.user.update({ where: { id }, data: { name: 'Bo' } }).then((row) => row.name)
    await waitUntilSessionsBlocked(database.sql, 1)
    await held.release()
    await expect(updated).resolves.toBe('Bo')
  })

  test('a holder waits for a transaction that has updated the row', async () => {
    const holder = await hold(prisma, (tx) => tx.user.update({ where: { id }, data: { name: 'Bo' } }))
    const waiter = rowLocker(prisma, 'User').withLock(key, async (held) => held.tx.user.findUnique({ where: { id } }))
    await waitUntilSessionsBlocked(database.sql, 1)
    await holder.commit()
    await expect(waiter).resolves.toMatchObject({ name: 'Bo' })
  })

  test('plain reads and rows that refer to it pass, the latter not with forUpdate', async () => {
    const insert = async () => prisma.signIn.create({ data: { userId: id, day: new Date(0), signedInAt: new Date(0) } })
    const held = await rowLocker(prisma, 'User').acquire(key)
    await prisma.user.findUnique({ where: { id } })
    await insert()
    await held.release()
    await prisma.signIn.deleteMany({ where: { userId: id } })

    const heldForUpdate = await rowLocker(prisma, 'User', { strength: 'forUpdate' }).acquire(key)
    const inserted = insert()
    await waitUntilSessionsBlocked(database.sql, 1)
    await heldForUpdate.release()
    await inserted
  })

  test('nowait names who holds the row', async () => {
    const held = await rowLocker(prisma, 'User').acquire(key)
    const refusal = rowLocker(prisma, 'User').acquire(key, { nowait: true })
    const { blockers } = await expectRejection(refusal, LockNotAvailableError, { key, sqlState: '55P03' })
    expect(blockers).toMatchObject([{ state: 'idle in transaction' }])
    await held.release()
    await update()
  })
})

describe('how a key names a row', () => {
  test('by the @id, by another unique field, by any name of the model', async () => {
    const wallet = await prisma.wallet.findUniqueOrThrow({ where: { userId: id } })
    for (const locker of [
      rowLocker(prisma, 'Wallet', { by: 'userId' }),
      rowLocker(prisma, 'wallet', { by: 'userId' }),
      rowLocker(prisma, prisma.wallet, { by: 'userId' }),
    ]) {
      const held = await locker.acquire(key)
      await expectRefused(rowLocker(prisma, 'Wallet'), String(wallet.id))
      await held.release()
    }
  })

  test('by a BigInt and by text', async () => {
    const wallet = await prisma.wallet.findUniqueOrThrow({ where: { userId: id } })
    const entry = await prisma.walletEntry.create({ data: { walletId: wallet.id, kind: 'CREDIT', amount: 1, balance: 1 } })
    await expectFree(rowLocker(prisma, 'WalletEntry'), String(entry.id))
    const order = await prisma.order.create({ data: { id: `order ${id}`, userId: id, number: 1, amount: 1 } })
    await expectFree(rowLocker(prisma, 'Order'), order.id)
  })

  test('a key without a row is a RecordNotFoundError, however long', async () => {
    await expectRejection(rowLocker(prisma, 'User').acquire('2147483647'), RecordNotFoundError, { model: 'User' })
    const long = rowLocker(prisma, 'Company', { by: 'name' }).acquire('x'.repeat(10_000))
    await expectRejection(long, RecordNotFoundError, { model: 'Company' })
  })

  test('a row that is deleted while a caller waits for it is a RecordNotFoundError', async () => {
    const holder = await hold(prisma, (tx) => tx.user.delete({ where: { id } }))
    const refusal = rejectionOf(rowLocker(prisma, 'User').acquire(key))
    await waitUntilSessionsBlocked(database.sql, 1)
    await holder.commit()
    expect(await refusal).toBeInstanceOf(RecordNotFoundError)
  })

  test('a thousand keys that no row can have are refused before a connection is taken', async () => {
    const { prisma: unused, pool } = createClient(database)
    const bad: [ReturnType<typeof rowLocker<TestClient>>, fc.Arbitrary<string>][] = [
      [
        rowLocker(unused, 'User'),
        fc.oneof(
          fc.string({ minLength: 1 }).filter((text) => !/^-?\d+$/.test(text)),
          notCanonical(32),
        ),
      ],
      [rowLocker(unused, 'WalletEntry'), notCanonical(64)],
      [
        rowLocker(unused, 'Order'),
        fc.tuple(fc.string(), fc.constantFrom('\0', '\ud800', '\udfff'), fc.string()).map((parts) => parts.join(' ')),
      ],
    ]
    for (const [locker, keys] of bad) {
      await fc.assert(
        fc.asyncProperty(keys, async (one) => {
          await expectRejection(locker.acquire(one), InvalidOptionError, { option: 'key', given: one })
        }),
        { numRuns: 1_000 },
      )
    }
    expect(pool.totalCount).toBe(0)
    await unused.$disconnect()
  })
})

/** Numbers beyond the type, and numbers written as they do not write themselves. */
const notCanonical = (bits: number) =>
  fc.oneof(
    fc.bigInt({ min: 2n ** BigInt(bits - 1), max: 2n ** 70n }).map(String),
    fc.bigInt({ min: -(2n ** 70n), max: -(2n ** BigInt(bits - 1)) - 1n }).map(String),
    fc.nat().map((value) => `0${value}`),
    fc.nat().map((value) => `+${value}`),
    fc.nat().map((value) => `${value}.0`),
    fc.nat().map((value) => ` ${value}`),
    fc.nat().map((value) => `${value}e1`),
    fc.constantFrom('-0', '-', '0x1', 'NaN', 'Infinity', '1_000', '１'),
  )

describe('where it works', () => {
  test('inside a transaction of its client it is refused, in one of another client not', async () => {
    const other = createClient(database).prisma
    await prisma.$transactionWithRetry(async () => {
      await expectRejection(rowLocker(prisma, 'User').acquire(key), LockNotSupportedError)
      await expectFree(rowLocker(other, 'User'), key)
    })
    await prisma.$transaction(async (tx) => {
      await expectRejection(rowLocker(tx as TestClient, 'User').acquire(key), LockNotSupportedError)
    })
    await other.$disconnect()
  })

  test('a transaction inside run is one of its own, and waits for the lock', async () => {
    await rowLocker(prisma, 'User').withLock(key, async () => {
      const refused = prisma.$transactionWithRetry(async (tx) =>
        tx.user.findUnique({ where: { id }, lock: { strength: 'forUpdate', nowait: true } }),
      )
      await expectRejection(refused, LockNotAvailableError)
    })
  })

  test('an extension that hides rows hides them from keys', async () => {
    const hiding = prisma.$extends({
      query: { user: { findFirst: ({ args, query }) => query({ ...args, where: { AND: [args.where ?? {}, { name: { not: 'Ada' } }] } }) } },
    })
    await expectRejection(rowLocker(hiding, 'User').acquire(key), RecordNotFoundError)
    await prisma.user.update({ where: { id }, data: { name: 'Bo' } })
    await expectFree(rowLocker(hiding, 'User'), key)
  })

  test('a statement of tx that fails ends the lock: withLock throws its error, also when run has swallowed it', async () => {
    const swallowed = rowLocker(prisma, 'User').withLock(key, async ({ tx }) => {
      await tx.user.create({ data: { id, name: 'twice' } }).catch(() => undefined)
      await expectFree(rowLocker(prisma, 'User'), key)
    })
    await expect(swallowed).rejects.toMatchObject({ cause: { originalCode: '23505' } })
  })

  test('a savepoint keeps the lock when a statement fails', async () => {
    await rowLocker(prisma, 'User').withLock(key, async ({ tx }) => {
      await tx.$transaction((nested) => nested.user.create({ data: { id, name: 'twice' } })).catch(() => undefined)
      await expectRefused(rowLocker(prisma, 'User'), key)
    })
  })
})

describe('what it is made from', () => {
  test('a client without rowLocks(), an unknown model and a field that is not unique are refused', () => {
    const plain = new PrismaClient({ adapter: lockable(new PrismaPg({ connectionString: 'postgres://localhost/never' })) })
    // @ts-expect-error the client has no row locks
    expect(() => rowLocker(plain, 'User')).toThrow(InvalidOptionError)
    // @ts-expect-error there is no such model
    expect(() => rowLocker(prisma, 'Nobody')).toThrow(InvalidOptionError)
    // @ts-expect-error not a model
    expect(() => rowLocker(prisma, '$transaction')).toThrow(InvalidOptionError)
    expect(() => rowLocker(prisma, 'Wallet', { by: 'balance' })).toThrow(InvalidOptionError)
    expect(() => rowLocker(prisma, 'Wallet', { by: 'user' })).toThrow(InvalidOptionError)
    expect(() => rowLocker(prisma, 'IdempotencyRecord')).toThrow(LockNotSupportedError)
  })

  test('a client whose adapter is not lockable() is refused when it is used', async () => {
    const unguarded = new PrismaClient({ adapter: new PrismaPg({ connectionString: database.url }) }).$extends(rowLocks())
    await expectRejection(rowLocker(unguarded, 'User').acquire(key), LockNotSupportedError)
    await unguarded.$disconnect()
  })

  test('a thousand bad arguments are refused', () => {
    const badLimit = fc.oneof(fc.constantFrom(null, 0, -1, 1.5, Number.NaN, 2 ** 31, '5', 5n), fc.integer({ max: 0 }), fc.object())
    const badArgument = fc.oneof(
      fc.tuple(fc.oneof(fc.anything(), fc.constantFrom({ $transaction: 1 }, null)), fc.constant('User'), fc.constant({})),
      fc.tuple(fc.constant(prisma), fc.oneof(fc.string(), fc.integer(), fc.object(), fc.constantFrom(null, undefined)), fc.constant({})),
      fc.tuple(
        fc.constant(prisma),
        fc.constant('User'),
        fc.oneof(
          fc.constantFrom(null, 5, 'by', [], true),
          badLimit.map((maxHold) => ({ maxHold })),
          badLimit.map((maxWait) => ({ maxWait })),
          fc
            .oneof(fc.string(), fc.integer(), fc.constant(null))
            .filter((by) => by !== 'id')
            .map((by) => ({ by })),
          fc.constantFrom('forShare', 'forKeyShare', 'FOR UPDATE', null, 5).map((strength) => ({ strength })),
          fc
            .string({ minLength: 1 })
            .filter((name) => !['by', 'strength', 'maxHold', 'maxWait', '__proto__'].includes(name))
            .map((name) => ({ [name]: 1 })),
        ),
      ),
    )
    fc.assert(
      fc.property(badArgument, ([client, model, options]) => {
        expect(() => rowLocker(client as TestClient, model as 'User', options as object)).toThrow(InvalidOptionError)
      }),
      { numRuns: 1_000 },
    )
  })
})
