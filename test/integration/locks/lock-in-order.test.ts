import { lockInOrder, RecordNotFoundError, type TransactionClientOf } from 'rowlock'
import { beforeAll, expect, test } from 'vitest'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase } from '../../support/database.js'
import { held } from '../../support/held.js'
import { lockedRows } from '../../support/locked-rows.js'

const database = useDatabase()
let prisma: TestClient

beforeAll(async () => {
  ;({ prisma } = createClient(database, { poolSize: 20 }))
  await prisma.user.createMany({ data: Array.from({ length: 5 }, (_, i) => ({ name: `u${i + 1}` })) })
  await prisma.wallet.createMany({ data: Array.from({ length: 5 }, (_, i) => ({ userId: 5 - i, balance: 100 })) })
  await prisma.company.createMany({ data: [{ name: 'a' }, { name: 'b' }] })
})

test('lockInOrder locks rows of several models and returns them as the caller named them', async () => {
  const holder = await held(prisma, (tx) =>
    lockInOrder(tx, [
      { model: 'wallet', where: { userId: 2 } },
      { model: 'company', where: { name: 'b' } },
      { model: 'wallet', where: { id: 1 } },
      { model: 'wallet', where: { userId: 2 } },
    ]),
  )
  const [wallet, company, first, again] = holder.result
  expect([wallet.userId, company.name, first.id, again]).toEqual([2, 'b', 1, wallet])
  expect(await lockedRows(database.sql, '"Wallet"')).toEqual([1, 4])
  expect(await lockedRows(database.sql, '"Company"')).toEqual([2])
  await holder.commit()
})

/** 2n transfers between two wallets, half of them in the opposite direction. */
async function transfers(lock: (tx: TransactionClientOf<TestClient>, from: number, to: number) => Promise<unknown>) {
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) => {
      const [from, to] = i % 2 ? [1, 2] : [2, 1]
      return prisma.$transactionWithRetry(
        async (tx) => {
          await lock(tx, from, to)
          await tx.wallet.update({ where: { userId: from }, data: { balance: { decrement: 1 } } })
          await tx.wallet.update({ where: { userId: to }, data: { balance: { increment: 1 } } })
        },
        { retry: false, maxWait: 20_000 },
      )
    }),
  )
  return results.filter((result) => result.status === 'rejected').map((result) => (result.reason as { code?: string }).code)
}

test('opposite transfers never deadlock through lockInOrder, by whatever key the rows are named', async () => {
  const failures = await transfers((tx, from, to) => {
    const ids: Record<number, number> = { 1: 5, 2: 4 }
    return lockInOrder(tx, [
      { model: 'wallet', where: { userId: from } },
      { model: 'wallet', where: { id: ids[to]! } },
    ])
  })
  expect(failures).toEqual([])
})

test('the same transfers deadlock when they lock in the order they name', async () => {
  const failures = await transfers(async (tx, from, to) => {
    await tx.wallet.findUnique({ where: { userId: from }, lock: 'forNoKeyUpdate' })
    await tx.wallet.findUnique({ where: { userId: to }, lock: 'forNoKeyUpdate' })
  })
  expect(failures).toContain('DEADLOCK')
})

test('a row that is not there is an error that names it', async () => {
  const missing = prisma.$transaction((tx) =>
    lockInOrder(tx, [
      { model: 'wallet', where: { userId: 1 } },
      { model: 'company', where: { name: 'nowhere' } },
    ]),
  )
  await expect(missing).rejects.toThrow(RecordNotFoundError)
  await expect(missing).rejects.toMatchObject({ model: 'Company', key: { name: 'nowhere' } })
})

test('nowait and timeout hold for every row; skipLocked is refused', async () => {
  const holder = await held(prisma, (tx) => tx.wallet.findUnique({ where: { userId: 3 }, lock: 'forUpdate' }))
  const lock = (option: Parameters<typeof lockInOrder>[2]) =>
    prisma.$transaction((tx) => lockInOrder(tx, [{ model: 'wallet', where: { userId: 3 } }], option))
  await expect(lock({ strength: 'forUpdate', nowait: true })).rejects.toMatchObject({ code: 'LOCK_NOT_AVAILABLE' })
  await expect(lock({ strength: 'forUpdate', timeout: 30 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
  await expect(lock({ strength: 'forUpdate', skipLocked: true })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  await holder.commit()
})

test('outside a transaction lockInOrder is refused', async () => {
  await expect(lockInOrder(prisma, [{ model: 'wallet', where: { userId: 1 } }])).rejects.toMatchObject({ code: 'LOCK_OUTSIDE_TRANSACTION' })
})

test('no rows are no statement and no error', async () => {
  await expect(prisma.$transaction((tx) => lockInOrder(tx, []))).resolves.toEqual([])
})
