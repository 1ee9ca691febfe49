import type { Decimal } from '@prisma/client/runtime/client'
import { rowLocks } from 'rowlock'
import { expectTypeOf, test } from 'vitest'
import type { User, Wallet } from '../../src/generated/prisma/client.js'
import { afterGreetings, beforeGreetings, nameless, plain, prisma } from './clients.js'

test('a write returns what it returns without the extension', async () => {
  expectTypeOf(await prisma.wallet.create({ data: { userId: 1 } })).toEqualTypeOf<Wallet>()
  expectTypeOf(await prisma.wallet.update({ where: { id: 1 }, data: {}, select: { balance: true } })).toEqualTypeOf<{ balance: Decimal }>()
  expectTypeOf(await prisma.user.upsert({ where: { id: 1 }, create: { name: 'Ada' }, update: {} })).toEqualTypeOf<User>()
  expectTypeOf(await prisma.wallet.updateMany({ data: { balance: 1 } })).toEqualTypeOf<{ count: number }>()
  const { user } = await prisma.wallet.update({ where: { id: 1 }, data: {}, include: { user: true } })
  expectTypeOf(user).toEqualTypeOf<User>()
  expectTypeOf(await prisma.wallet.update({ where: { id: 1 }, data: {} }).user()).toEqualTypeOf<User>()
  expectTypeOf(await prisma.wallet.update({ where: { id: 1 }, data: {}, omit: { balance: true } })).toEqualTypeOf<Omit<Wallet, 'balance'>>()
  expectTypeOf(await prisma.wallet.create({ data: { userId: 1 }, omit: { balance: true } })).toEqualTypeOf<Omit<Wallet, 'balance'>>()
  expectTypeOf(
    await prisma.user.upsert({ where: { id: 1 }, create: { name: '' }, update: {}, select: { id: true, name: false } }),
  ).toEqualTypeOf<{
    id: number
  }>()
  expectTypeOf(await nameless.user.create({ data: { name: 'Ada' } })).toEqualTypeOf<{ id: number }>()
})

test('computed fields are in the written row, whichever extension comes first', async () => {
  expectTypeOf((await beforeGreetings.user.create({ data: { name: 'Ada' } })).greeting).toEqualTypeOf<string>()
  expectTypeOf((await afterGreetings.user.update({ where: { id: 1 }, data: {} })).greeting).toEqualTypeOf<string>()
})

test('a write takes what it takes without the extension', async () => {
  expectTypeOf(prisma.wallet).not.toBeAny()
  const balance = Math.random() > 0.5 ? { balance: 1 } : undefined
  // @ts-expect-error the row is not named
  await prisma.wallet.update({ where: {}, data: {} })
  // @ts-expect-error nothing to write
  await prisma.wallet.update({ where: { id: 1 } })
  // @ts-expect-error perhaps nothing to write
  await prisma.wallet.update({ where: { id: 1 }, data: balance })
  // @ts-expect-error not a column
  await prisma.wallet.update({ where: { id: 1 }, data: { nothing: 1 } })
  // @ts-expect-error not a value of the column
  await prisma.wallet.updateMany({ data: { balance: true } })
  // @ts-expect-error not a column to look for
  await prisma.wallet.updateMany({ where: { nothing: 1 }, data: {} })
  // @ts-expect-error a column is missing
  await prisma.wallet.create({ data: {} })
  // @ts-expect-error a column is missing
  await prisma.wallet.upsert({ where: { id: 1 }, create: { balance: 1 }, update: {} })
  // @ts-expect-error not a column
  await prisma.wallet.create({ data: { userId: 1 }, select: { nothing: true } })
  // @ts-expect-error a write locks nothing but what it writes
  await prisma.wallet.update({ where: { id: 1 }, data: {}, lock: 'forUpdate' })
})

test('a client is what an interface that somebody has written for it asks for', () => {
  interface Wallets {
    readonly wallet: {
      findUnique(args: { where: { id: number } }): PromiseLike<{ id: number } | null>
      update(args: { where: { id: number }; data: { balance: number } }): PromiseLike<{ id: number }>
    }
  }
  expectTypeOf(prisma).toExtend<Wallets>()
})

test('a method that a later extension puts in the place of a write has its own type', () => {
  const client = plain.$extends(rowLocks()).$extends({ model: { user: { create: (name: string): number => name.length } } })
  expectTypeOf(client.user.create('Ada')).toEqualTypeOf<number>()
})
