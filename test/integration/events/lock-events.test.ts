import type { Pool } from 'pg'
import { type LockOption, LockNotAvailableError, LockTimeoutError, type TransactionClientOf } from 'rowlock'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase, waitUntil, waitUntilSessionsBlocked } from '../../support/database.js'
import { createBarrier } from '../../support/deadlock.js'
import { held } from '../../support/held.js'
import { RecordedEvents } from '../../support/recorded-events.js'
import { expectRejection, rejectionOf, useRejectionCheck } from '../../support/rejections.js'

const database = useDatabase()
useRejectionCheck()

type Tx = TransactionClientOf<TestClient>

// In milliseconds. Whoever has been told that a wait is slow has been seen to wait.
const SLOW = 30
const events = new RecordedEvents()

let prisma: TestClient
let pool: Pool
let deaf: TestClient
let outside: TestClient
let id: number

beforeAll(() => {
  ;({ prisma, pool } = createClient(database, { poolSize: 4, options: { onEvent: events.onEvent, slowLock: SLOW } }))
  deaf = createClient(database, { poolSize: 1 }).prisma
  outside = createClient(database, { poolSize: 4 }).prisma
})

beforeEach(async () => {
  id = (await prisma.company.create({ data: { name: `company ${Math.random()}` } })).id
  events.clear()
})

const lockRow = (tx: Tx, lock: LockOption = 'forNoKeyUpdate') => tx.company.findUnique({ where: { id }, lock })
const holdRow = () => held(outside, (tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }))

/** Lets `take` wait for the row until its wait is slow, and then get it. */
async function whileHeld<R>(take: () => Promise<R>): Promise<{ readonly holder: number; readonly result: R }> {
  const holder = await holdRow()
  const taking = take()
  taking.catch(() => undefined)
  try {
    const [waiter] = await waitUntilSessionsBlocked(database.sql, 1)
    expect(waiter!.blockedBy).toEqual([holder.pid])
    await events.first('lock.slow', database.sql)
  } finally {
    await holder.rollback()
  }
  return { holder: holder.pid, result: await taking }
}

const facts = () => ({ model: 'Company', table: 'Company', key: { id }, strength: 'forNoKeyUpdate', at: expect.any(Date) as Date })

describe('a lock that nobody else wants', () => {
  test('is acquired and released, and has not waited', async () => {
    await prisma.$transaction((tx) => lockRow(tx))
    expect(events.all).toEqual([
      { type: 'lock.acquired', ...facts(), label: undefined, rows: 1, waited: undefined, duration: expect.any(Number) },
      { type: 'lock.released', ...facts(), label: undefined, held: expect.any(Number) },
    ])
  })

  test('is held from its grant to the end of the transaction, however that ends', async () => {
    const failure = new Error('roll back')
    const begun = performance.now()
    await rejectionOf(
      prisma.$transaction(async (tx) => {
        await lockRow(tx)
        await tx.$executeRaw`SELECT pg_sleep(0.05)`
        expect(events.types).toEqual(['lock.acquired'])
        throw failure
      }),
    )
    expect(events.types).toEqual(['lock.acquired', 'lock.released'])
    const [{ held: milliseconds } = { held: 0 }] = events.of('lock.released')
    expect(milliseconds).toBeGreaterThanOrEqual(50)
    expect(milliseconds).toBeLessThan(performance.now() - begun)
  })

  test('is released by the call that commits', async () => {
    await prisma.$transactionWithRetry(async (tx) => {
      await lockRow(tx)
      await tx.company.update({ where: { id }, data: { count: 1 }, commit: true })
      expect(events.types).toEqual(['lock.acquired', 'lock.released'])
    })
    expect(events.types).toEqual(['lock.acquired', 'lock.released', 'transaction.committed'])
  })

  test('says how many rows it is on', async () => {
    const ids = [id, (await prisma.company.create({ data: { name: `company ${Math.random()}` } })).id]
    await prisma.$transaction((tx) => tx.company.findMany({ where: { id: { in: ids } }, lock: 'forShare' }))
    expect(events.of('lock.acquired')).toMatchObject([{ strength: 'forShare', key: { id: { in: ids } }, rows: 2 }])
  })

  test('is not told of when there is no row', async () => {
    await prisma.$transaction((tx) => tx.company.findUnique({ where: { id: -1 }, lock: 'forUpdate' }))
    expect(events.all).toEqual([])
  })

  test('is told of in withLock and in a batch, too', async () => {
    await prisma.company.withLock({ where: { id } }, async () => undefined)
    expect(events.types).toEqual(['lock.acquired', 'lock.released', 'transaction.committed'])
    events.clear()
    await prisma.$transaction([prisma.company.count(), prisma.company.findUnique({ where: { id }, lock: 'forUpdate' })])
    expect(events.types).toEqual(['lock.acquired', 'lock.released'])
  })
})

describe('a lock that another session holds', () => {
  test.each([
    ['$transaction', () => prisma.$transaction((tx) => lockRow(tx))],
    ['$transactionWithRetry', () => prisma.$transactionWithRetry((tx) => lockRow(tx))],
    [
      '$transactionWithRetry, not as its first statement',
      () => prisma.$transactionWithRetry(async (tx) => (await tx.company.count()) && lockRow(tx)),
    ],
    ['a batch', () => prisma.$transaction([prisma.company.count(), prisma.company.findUnique({ where: { id }, lock: 'forNoKeyUpdate' })])],
  ])('in %s is told of while it is waited for, when it was, and when it is there', async (_, take) => {
    const { holder } = await whileHeld<unknown>(take)
    expect(events.types.slice(0, 4)).toEqual(['lock.slow', 'lock.waited', 'lock.acquired', 'lock.released'])
    const [slow] = events.of('lock.slow')
    const [waited] = events.of('lock.waited')
    const [acquired] = events.of('lock.acquired')
    expect(slow).toMatchObject({ ...facts(), blockers: [{ pid: holder, state: 'idle in transaction' }] })
    expect(slow!.blockers[0]!.query).toMatch(/FOR UPDATE/)
    expect(slow!.waited).toBeGreaterThanOrEqual(SLOW)
    expect(waited).toMatchObject({ ...facts(), blockers: [{ pid: holder }] })
    expect(waited!.waited).toBeGreaterThanOrEqual(slow!.waited)
    expect(waited!.waited).toBeLessThanOrEqual(acquired!.duration)
    expect(acquired!.waited).toBe(waited!.waited)
  })

  test('names who holds it to those who queue behind another one', async () => {
    const holder = await holdRow()
    const takers = [1, 2, 3].map(() => prisma.$transaction((tx) => lockRow(tx)))
    const sessions = await waitUntilSessionsBlocked(database.sql, 3)
    // The control: for PostgreSQL some of them wait for each other.
    expect(sessions.some(({ blockedBy }) => !blockedBy.includes(holder.pid))).toBe(true)
    await waitUntil('all waits are slow', async () => {
      await database.sql`SELECT pg_sleep(0.001)`
      return events.of('lock.slow').length === 3 ? true : undefined
    })
    await holder.commit()
    await Promise.all(takers)
    expect(events.of('lock.slow').flatMap(({ blockers }) => blockers.map(({ pid }) => pid))).toEqual([holder.pid, holder.pid, holder.pid])
    expect(events.of('lock.waited')).toHaveLength(3)
  })

  test('is told of once as slow, however long it takes', async () => {
    const holder = await holdRow()
    const taking = prisma.$transaction((tx) => lockRow(tx))
    await events.first('lock.slow', database.sql)
    await database.sql`SELECT pg_sleep(0.2)`
    await holder.rollback()
    await taking
    expect(events.of('lock.slow')).toHaveLength(1)
  })

  test('is asked about beside the pool, by one session, and not while nobody listens', async () => {
    const sides = async () =>
      (await database.sql`SELECT pid FROM pg_stat_activity WHERE application_name = 'rowlock' AND datname = current_database()`).length
    await waitUntil('earlier connections beside the pool are idle no more', async () => ((await sides()) === 0 ? true : undefined))
    const holder = await holdRow()
    const takingDeaf = deaf.$transaction((tx) => lockRow(tx))
    await waitUntilSessionsBlocked(database.sql, 1)
    await database.sql`SELECT pg_sleep(0.2)`
    expect(await sides()).toBe(0)

    const taking = [1, 2, 3, 4].map(() => prisma.$transaction((tx) => lockRow(tx)))
    await waitUntilSessionsBlocked(database.sql, 5)
    await events.first('lock.slow', database.sql)
    expect(await sides()).toBe(1)
    expect(pool.totalCount).toBe(4)
    await holder.rollback()
    await Promise.all([takingDeaf, ...taking])
  })

  test('is left out by skipLocked, which locks nothing', async () => {
    const holder = await holdRow()
    await prisma.$transaction((tx) => lockRow(tx, { strength: 'forUpdate', skipLocked: true }))
    await holder.rollback()
    expect(events.all).toEqual([])
  })
})

describe('a lock that is not granted', () => {
  test('is refused at once with nowait, and nobody has waited', async () => {
    const holder = await holdRow()
    const error = await expectRejection(
      prisma.$transaction((tx) => lockRow(tx, { strength: 'forNoKeyUpdate', nowait: true })),
      LockNotAvailableError,
    )
    await holder.rollback()
    expect(events.all).toMatchObject([{ type: 'lock.refused', ...facts(), blockers: [{ pid: holder.pid }] }])
    expect(events.of('lock.refused')[0]!.error).toBe(error)
  })

  test('has waited, and is refused when its time is over', async () => {
    const holder = await holdRow()
    const lock = { strength: 'forNoKeyUpdate', timeout: 1_000 } as const
    const error = await expectRejection(
      prisma.$transaction((tx) => lockRow(tx, lock)),
      LockTimeoutError,
    )
    await holder.rollback()
    expect(events.types).toEqual(['lock.slow', 'lock.waited', 'lock.refused'])
    const [waited] = events.of('lock.waited')
    expect(waited).toMatchObject({ ...facts(), error, blockers: [{ pid: holder.pid }] })
    expect(waited!.waited).toBeGreaterThan(900)
    expect(events.of('lock.refused')).toMatchObject([{ ...facts(), error, waited: waited!.waited, blockers: [{ pid: holder.pid }] }])
  })

  test('is refused to a write and to raw SQL, which name no strength', async () => {
    const holder = await holdRow()
    const update = prisma.$transactionWithRetry((tx) => tx.company.update({ where: { id }, data: { count: 1 } }), { lockTimeout: 20 })
    await expectRejection(update, LockTimeoutError)
    const raw = prisma.$transaction((tx) => tx.$queryRaw`SELECT id FROM "Company" WHERE id = ${id} FOR UPDATE NOWAIT`)
    await expectRejection(raw, LockNotAvailableError)
    await holder.rollback()
    expect(events.all).toMatchObject([
      { type: 'lock.refused', model: 'Company', key: { id }, error: { code: 'LOCK_TIMEOUT' } },
      { type: 'lock.refused', model: undefined, error: { code: 'LOCK_NOT_AVAILABLE' } },
    ])
    expect(events.of('lock.refused').map(({ strength }) => strength)).toEqual([undefined, undefined])
  })

  test('is refused to the victim of a deadlock, before its transaction is run again', async () => {
    const other = (await prisma.company.create({ data: { name: `company ${Math.random()}` } })).id
    const bothHoldOne = createBarrier(2)
    const lockBoth = (first: number, second: number) =>
      prisma.$transactionWithRetry(async (tx, { attempt }) => {
        await tx.$executeRaw`SET LOCAL deadlock_timeout = '200ms'`
        await tx.company.findUnique({ where: { id: first }, lock: 'forUpdate' })
        if (attempt === 1) await bothHoldOne()
        await tx.company.findUnique({ where: { id: second }, lock: 'forUpdate' })
      })
    await Promise.all([lockBoth(id, other), lockBoth(other, id)])

    expect(events.of('lock.refused')).toMatchObject([{ error: { code: 'DEADLOCK' } }])
    expect(events.of('lock.waited').some(({ error }) => error?.code === 'DEADLOCK')).toBe(true)
    const inOrder = events.types.filter((type) => type === 'lock.refused' || type.startsWith('transaction.retried'))
    expect(inOrder).toEqual(['lock.refused', 'transaction.retried'])
    expect(events.of('lock.acquired')).toHaveLength(events.of('lock.released').length)
  })

  test('is not told of when nothing was asked for', async () => {
    await rejectionOf(prisma.company.findUnique({ where: { id }, lock: 'forUpdate' }))
    await rejectionOf(prisma.$transaction((tx) => tx.company.findFirst({ distinct: 'name', lock: 'forUpdate' } as never)))
    expect(events.all).toEqual([])
  })
})

describe('an advisory lock', () => {
  const key = ['report', 7] as const

  test('is acquired, waited for and refused like any other', async () => {
    const advisory = { key, strength: 'advisory' }
    const holder = await held(outside, (tx) => tx.$advisoryLock(key))
    await rejectionOf(prisma.$transaction((tx) => tx.$advisoryLock(key, { nowait: true })))
    const taking = prisma.$transactionWithRetry((tx) => tx.$advisoryLock(key))
    await waitUntilSessionsBlocked(database.sql, 1)
    await events.first('lock.slow', database.sql)
    await rejectionOf(prisma.$transaction((tx) => tx.$advisoryLock(key, { timeout: 20 })))
    await holder.rollback()
    await taking
    expect(events.all).toMatchObject([
      { type: 'lock.refused', ...advisory, error: { code: 'LOCK_NOT_AVAILABLE' }, blockers: [{ pid: holder.pid }] },
      { type: 'lock.slow', ...advisory, blockers: [{ pid: holder.pid }] },
      { type: 'lock.refused', ...advisory, error: { code: 'LOCK_TIMEOUT' } },
      { type: 'lock.waited', ...advisory },
      { type: 'lock.acquired', ...advisory, rows: 1 },
      { type: 'lock.released', ...advisory },
      { type: 'transaction.committed' },
    ])
  })

  test('says when it is shared', async () => {
    await prisma.$transaction((tx) => tx.$advisoryLock(key, { shared: true }))
    expect(events.of('lock.acquired')).toMatchObject([{ strength: 'advisoryShared' }])
  })
})
