import type { Decimal } from '@prisma/client/runtime/client'
import type { TransactionClientOf } from 'rowlock'
import { expectTypeOf, test } from 'vitest'
import { prisma } from './clients.js'

interface Wallet {
  id: number
  userId: number
  balance: Decimal
}

test('a write with commit returns what it returns without it', async () => {
  await prisma.$transactionWithRetry(async (tx) => {
    expectTypeOf(await tx.wallet.create({ data: { userId: 1 }, commit: true })).toEqualTypeOf<Wallet>()
    expectTypeOf(await tx.wallet.create({ data: { userId: 1 } })).toEqualTypeOf<Wallet>()
    const selected = await tx.wallet.update({
      where: { id: 1 },
      data: { balance: { decrement: 1 } },
      select: { balance: true },
      commit: true,
    })
    expectTypeOf(selected).toEqualTypeOf<{ balance: Decimal }>()
    expectTypeOf(await tx.wallet.delete({ where: { id: 1 }, omit: { id: true }, commit: true })).toEqualTypeOf<Omit<Wallet, 'id'>>()
    expectTypeOf(await tx.wallet.createMany({ data: [{ userId: 1 }], commit: true })).toEqualTypeOf<{ count: number }>()
    expectTypeOf(await tx.wallet.updateMany({ data: { balance: 1 }, commit: true })).toEqualTypeOf<{ count: number }>()
    expectTypeOf(await tx.wallet.deleteMany({ commit: true })).toEqualTypeOf<{ count: number }>()
    expectTypeOf(await tx.wallet.createManyAndReturn({ data: { userId: 1 }, commit: true })).toEqualTypeOf<Wallet[]>()
    expectTypeOf(await tx.wallet.updateManyAndReturn({ data: { balance: 1 }, commit: true })).toEqualTypeOf<Wallet[]>()
  })
  await prisma.wallet.withLock({ where: { userId: 1 } }, async ({ id }, tx) => {
    expectTypeOf(await tx.wallet.update({ where: { id }, data: { balance: 1 }, commit: true })).toEqualTypeOf<Wallet>()
  })
})

test('commit is refused where it cannot hold', async () => {
  // @ts-expect-error outside a transaction
  await prisma.wallet.create({ data: { userId: 1 }, commit: true })
  // @ts-expect-error not a transaction of rowlock
  await prisma.$transaction((tx) => tx.wallet.create({ data: { userId: 1 }, commit: true }))
  await prisma.$transactionWithRetry(async (tx) => {
    // @ts-expect-error related rows are read by further statements
    await tx.wallet.create({ data: { userId: 1 }, include: { user: true }, commit: true })
    // @ts-expect-error true or false
    await tx.wallet.create({ data: { userId: 1 }, commit: 'yes' })
    // @ts-expect-error a find commits nothing
    await tx.wallet.findFirst({ where: { userId: 1 }, commit: true })
    // @ts-expect-error an upsert may take several statements
    await tx.wallet.upsert({ where: { userId: 1 }, create: { userId: 1 }, update: {}, commit: true })
    // @ts-expect-error not a column
    await tx.wallet.create({ data: { userId: 1, nothing: 1 }, commit: true })
    // @ts-expect-error a column is missing
    await tx.wallet.create({ data: {}, commit: true })
    // @ts-expect-error the row is not named
    await tx.wallet.update({ data: { balance: 1 }, commit: true })
  })
})

test('finds of such a transaction return what they return elsewhere', async () => {
  await prisma.$transactionWithRetry(async (tx) => {
    expectTypeOf(await tx.wallet.findUniqueOrThrow({ where: { id: 1 }, lock: 'forUpdate' })).toEqualTypeOf<Wallet>()
    expectTypeOf(await tx.wallet.findMany({ select: { id: true }, lock: 'forUpdate' })).toEqualTypeOf<{ id: number }[]>()
  })
})

test('the transaction client is still the one that functions of the caller take', async () => {
  const write = (tx: TransactionClientOf<typeof prisma>) => tx.wallet.create({ data: { userId: 1 } })
  const create = (tx: { wallet: { create(args: { data: { userId: number } }): PromiseLike<Wallet> } }) =>
    tx.wallet.create({ data: { userId: 1 } })
  await prisma.$transactionWithRetry(async (tx) => {
    await write(tx)
    await create(tx)
  })
})
