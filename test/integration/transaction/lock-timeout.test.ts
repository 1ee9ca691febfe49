import { LockTimeoutError, type TransactionClientOf, type TransactionOptions } from 'rowlock'
import { beforeAll, describe, expect, test } from 'vitest'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase } from '../../support/database.js'
import { held, type HeldTransaction } from '../../support/held.js'
import { useRejectionCheck } from '../../support/rejections.js'

type Tx = TransactionClientOf<TestClient>

const database = useDatabase()
useRejectionCheck()

let prisma: TestClient
let id: number
let free: number

beforeAll(async () => {
  prisma = createClient(database).prisma
  id = (await prisma.company.create({ data: { name: 'held' } })).id
  free = (await prisma.company.create({ data: { name: 'free' } })).id
})

async function limitOf(tx: Tx): Promise<string> {
  const [{ lock_timeout }] = await tx.$queryRaw<[{ lock_timeout: string }]>`SELECT current_setting('lock_timeout') AS lock_timeout`
  return lock_timeout
}

describe('inside $transactionWithRetry the limit of a lock wait', () => {
  test.each<[string, TransactionOptions]>([
    ['4750ms', {}],
    ['950ms', { timeout: 1_000 }],
    ['123ms', { lockTimeout: 123 }],
    ['950ms', { timeout: 1_000, lockTimeout: 60_000 }],
    ['1ms', { lockTimeout: 1 }],
  ])('is %s with %j', async (expected, options) => {
    expect(await prisma.$transactionWithRetry((tx) => limitOf(tx), options)).toBe(expected)
  })

  test('is gone with the transaction, from the same connection', async () => {
    const { prisma: single } = createClient(database, { poolSize: 1 })
    await single.$transactionWithRetry((tx) => limitOf(tx))
    expect(await single.$transaction((tx) => limitOf(tx))).toBe('0')
  })
})

type Take = (tx: Tx, which: 'held' | 'free') => PromiseLike<unknown>
const takes: [string, Take][] = [
  [
    'a find with a timeout',
    (tx, which) => tx.company.findUnique({ where: { id: which === 'held' ? id : free }, lock: { strength: 'forUpdate', timeout: 30 } }),
  ],
  ['$advisoryLock with a timeout', (tx, which) => tx.$advisoryLock(which, { timeout: 30 })],
]

describe.each(takes)('%s', (_, take) => {
  async function whileHeld<R>(use: () => Promise<R>): Promise<R> {
    const holder: HeldTransaction = await held(prisma, async (tx) => {
      await tx.$advisoryLock('held')
      return tx.company.findUnique({ where: { id }, lock: 'forUpdate' })
    })
    try {
      return await use()
    } finally {
      await holder.rollback()
    }
  }

  test('leaves the transaction’s own limit as it was', async () => {
    const limits = await prisma.$transactionWithRetry(
      async (tx) => {
        await take(tx, 'free')
        const own = await limitOf(tx)
        await tx.$executeRaw`SET LOCAL lock_timeout = '777ms'`
        await take(tx, 'free')
        return [own, await limitOf(tx)]
      },
      { lockTimeout: 1_234 },
    )
    expect(limits).toEqual(['1234ms', '777ms'])
  })

  test('leaves no limit where there was none', async () => {
    const limit = await prisma.$transaction(async (tx) => {
      await take(tx, 'free')
      return limitOf(tx)
    })
    expect(limit).toBe('0')
  })

  test('leaves the limit as it was after a failure inside a nested transaction', () =>
    whileHeld(async () => {
      const result = await prisma.$transactionWithRetry(
        async (tx) => {
          const error: unknown = await tx
            .$transaction((nested) => take(nested, 'held') as Promise<unknown>)
            .catch((reason: unknown) => reason)
          return { error, limit: await limitOf(tx) }
        },
        { lockTimeout: 1_234 },
      )
      expect(result.error).toBeInstanceOf(LockTimeoutError)
      expect(result.limit).toBe('1234ms')
    }))

  test('leaves the limit as it was after a failure and a raw ROLLBACK TO SAVEPOINT', () =>
    whileHeld(async () => {
      const result = await prisma.$transaction(async (tx) => {
        await tx.$executeRaw`SET LOCAL lock_timeout = '555ms'`
        await tx.$executeRaw`SAVEPOINT before`
        const error: unknown = await Promise.resolve(take(tx, 'held')).catch((reason: unknown) => reason)
        await tx.$executeRaw`ROLLBACK TO SAVEPOINT before`
        await take(tx, 'free')
        return { error, limit: await limitOf(tx) }
      })
      expect(result.error).toBeInstanceOf(LockTimeoutError)
      expect(result.limit).toBe('555ms')
    }))

  test('leaves the limit as it was when its nested transaction commits', async () => {
    const limit = await prisma.$transactionWithRetry(
      async (tx) => {
        await tx.$transaction((nested) => take(nested, 'free') as Promise<unknown>)
        return limitOf(tx)
      },
      { lockTimeout: 1_234 },
    )
    expect(limit).toBe('1234ms')
  })

  test('leaves a limit set inside a nested transaction to end with its rollback', async () => {
    const limit = await prisma.$transactionWithRetry(
      async (tx) => {
        await tx
          .$transaction(async (nested) => {
            await nested.$executeRaw`SET LOCAL lock_timeout = '99ms'`
            await take(nested, 'free')
            expect(await limitOf(nested)).toBe('99ms')
            throw new Error('roll back')
          })
          .catch(() => undefined)
        return limitOf(tx)
      },
      { lockTimeout: 1_234 },
    )
    expect(limit).toBe('1234ms')
  })
})
