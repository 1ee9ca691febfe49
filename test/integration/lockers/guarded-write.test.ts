import { ConnectionLostError, LockOutsideTransactionError, SerializationError, StaleTokenError } from 'rowlock'
import { guardedWrite, leaseLocker, type LeaseLocker } from 'rowlock/lockers'
import { beforeAll, describe, expect, test } from 'vitest'
import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import type { TestClient } from '../../support/client.js'
import { useDatabase, waitUntil, waitUntilSessionsBlocked } from '../../support/database.js'
import { createLeasePair, expireLease } from '../../support/lockers/lease-pair.js'
import { expectFree, expectRefused } from '../../support/lockers/locker-checks.js'
import { expectRejection, useRejectionCheck } from '../../support/rejections.js'

const database = useDatabase()
useRejectionCheck()

let prisma: TestClient
let locker: LeaseLocker
let other: LeaseLocker
beforeAll(() => {
  ;({ prisma, locker, other } = createLeasePair(database))
})

let keys = 0
const newKey = () => `key ${++keys}`
const expire = (key: string) => expireLease(database, key)

describe('guardedWrite', () => {
  test('lets the latest token pass, of a lease that is held, has expired or was released', async () => {
    const key = newKey()
    const held = await locker.acquire(key)
    const guard = () => prisma.$transaction((tx) => guardedWrite(tx, held.fencingToken))
    await guard()
    await expire(key)
    await guard()
    await held.release()
    await guard()
  })

  test('refuses a token when another holder has come, and when there is no such lease', async () => {
    const key = newKey()
    const { fencingToken: stale } = await locker.acquire(key)
    await expire(key)
    const held = await other.acquire(key)
    for (const token of [stale, stale + 1_000_000n]) {
      await expectRejection(
        prisma.$transaction((tx) => guardedWrite(tx, token)),
        StaleTokenError,
        { token, retryable: false },
      )
    }
    await held.release()
  })

  test('keeps everybody out until the transaction ends, also when the lease has expired or was released', async () => {
    for (const free of ['expired', 'released'] as const) {
      const key = newKey()
      const held = await locker.acquire(key)
      let taking: Promise<unknown> | undefined
      await prisma.$transaction(async (tx) => {
        await locker.guardedWrite(tx, held.fencingToken)
        if (free === 'expired') await expire(key)
        else await held.release()
        await expectRefused(other, key)
        await expectRefused(other, key, { shared: true })
        taking = expectFree(other, key)
      })
      await taking
    }
  })

  test('waits for nobody and lets the lease be renewed, joined and released', async () => {
    const key = newKey()
    const held = await leaseLocker(prisma, { ttl: 300 }).acquire(key, { shared: true })
    await prisma.$transaction(async (tx) => {
      await guardedWrite(tx, held.fencingToken)
      const joined = await other.acquire(key, { shared: true, nowait: true })
      await prisma.$transaction((another) => guardedWrite(another, joined.fencingToken))
      await joined.release()
      await database.sql`SELECT pg_sleep(0.4)`
      expect(held.signal.aborted).toBe(false)
      await held.release()
    })
  })

  test('waits for a take-over that is under way, and is refused by it', async () => {
    const key = newKey()
    const { fencingToken } = await locker.acquire(key)
    await expire(key)
    let writing: Promise<unknown> = Promise.resolve()
    await prisma.$transaction(async (tx) => {
      await tx.$executeRaw`UPDATE "Lease" SET token = DEFAULT WHERE key = ${key}`
      writing = prisma.$transaction((stale) => guardedWrite(stale, fencingToken))
      writing.catch(() => undefined)
      await waitUntilSessionsBlocked(database.sql, 1)
    })
    await expectRejection(writing, StaleTokenError)
  })

  test.each(['RepeatableRead', 'Serializable'] as const)(
    'is to be run again under %s when somebody has taken over since the snapshot, and not for a renewal',
    async (isolationLevel) => {
      const key = newKey()
      const { fencingToken } = await locker.acquire(key)
      const guardAfter = (change: () => PromiseLike<unknown>) =>
        prisma.$transaction(
          async (tx) => {
            await tx.$queryRaw`SELECT 1 FROM "Lease"`
            await change()
            await guardedWrite(tx, fencingToken)
          },
          { isolationLevel },
        )
      await guardAfter(() => database.sql`UPDATE "Lease" SET "expiresAt" = clock_timestamp() + interval '1 min' WHERE key = ${key}`)
      await expectRejection(
        guardAfter(() => database.sql`UPDATE "Lease" SET token = DEFAULT WHERE key = ${key}`),
        SerializationError,
      )
    },
  )

  test('limits how long the transaction may pause: to what the lease has left, a second at least, or less if less is set', async () => {
    const limitAfter = async (token: bigint, before?: string) =>
      prisma.$transaction(async (tx) => {
        if (before) await tx.$queryRaw`SELECT set_config('idle_in_transaction_session_timeout', ${before}, true)`
        await guardedWrite(tx, token)
        const [row] = await tx.$queryRaw<[{ limit: number }]>`
          SELECT setting::int AS limit FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'`
        return row.limit
      })
    const key = newKey()
    const { fencingToken } = await locker.acquire(key)
    const limit = await limitAfter(fencingToken)
    expect(limit).toBeGreaterThan(20_000)
    expect(limit).toBeLessThanOrEqual(30_000)
    for (const [before, after] of [
      ['300ms', 300],
      ['2s', 2_000],
    ] as const) {
      expect(await limitAfter(fencingToken, before)).toBe(after)
    }
    expect(await limitAfter(fencingToken, '1h')).toBeLessThanOrEqual(30_000)
    await expire(key)
    expect(await limitAfter(fencingToken)).toBe(1_000)
    const [row] = await prisma.$queryRaw<[{ limit: string }]>`SELECT current_setting('idle_in_transaction_session_timeout') AS limit`
    expect(row.limit).toBe('0')
  })

  test('lets the server end a transaction that pauses for longer, which then has written nothing', async () => {
    await prisma.company.create({ data: { id: 1, name: 'Acme' } })
    const key = newKey()
    const held = await leaseLocker(prisma, { ttl: 100 }).acquire(key)
    const writing = prisma.$transaction(async (tx) => {
      await guardedWrite(tx, held.fencingToken)
      await tx.company.update({ where: { id: 1 }, data: { count: 1 } })
      await waitUntil('the server has ended the transaction', async () => {
        const [row] = await database.sql<[{ open: number }]>`
          SELECT count(*)::int AS open FROM pg_stat_activity, pg_sleep(0.01)
          WHERE datname = current_database() AND state = 'idle in transaction'`
        return row.open === 0 || undefined
      })
      await tx.company.update({ where: { id: 1 }, data: { count: 2 } })
    })
    await expectRejection(writing, ConnectionLostError)
    expect(await prisma.company.findUnique({ where: { id: 1 } })).toMatchObject({ count: 0 })
    await held.release()
  })

  test('is refused outside a transaction', async () => {
    const { fencingToken } = await locker.acquire(newKey())
    await expectRejection(guardedWrite(prisma, fencingToken), LockOutsideTransactionError)
    await expectRejection(locker.guardedWrite(prisma, fencingToken), LockOutsideTransactionError)
  })

  test('needs no rowLocks()', async () => {
    const plain = new PrismaClient({ adapter: new PrismaPg({ connectionString: database.url, max: 2 }) })
    const key = newKey()
    await leaseLocker(plain, { ttl: 30_000 }).withLock(key, async ({ fencingToken }) => {
      await plain.$transaction((tx) => guardedWrite(tx, fencingToken))
      await expire(key)
      await expectRejection(
        plain.$transaction(async (tx) => {
          await tx.$executeRaw`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`
          await tx.$queryRaw`SELECT 1 FROM "Lease"`
          await database.sql`UPDATE "Lease" SET token = DEFAULT WHERE key = ${key}`
          await guardedWrite(tx, fencingToken)
        }),
        SerializationError,
      )
    })
    await plain.$disconnect()
  })
})
