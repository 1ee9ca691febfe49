import { expectTypeOf, test } from 'vitest'

import type { Order, SignIn, User, Wallet, WalletEntry } from '../../src/generated/prisma/client.js'
import { plain, prisma } from './clients.js'

test('a locked findUnique returns the row or null, a locked findUniqueOrThrow the row', async () => {
  await prisma.$transaction(async (tx) => {
    const found = await tx.wallet.findUnique({ where: { userId: 1 }, lock: 'forUpdate' })
    expectTypeOf(found).not.toBeAny()
    expectTypeOf(found).toEqualTypeOf<Wallet | null>()

    const row = await tx.wallet.findUniqueOrThrow({ where: { userId: 1 }, lock: 'forUpdate' })
    expectTypeOf(row).not.toBeAny()
    expectTypeOf(row).toEqualTypeOf<Wallet>()
  })
})

test('a locked findFirst returns the row or null, a locked findFirstOrThrow the row', async () => {
  await prisma.$transaction(async (tx) => {
    const found = await tx.wallet.findFirst({ where: { balance: { gt: 1 } }, lock: 'forShare' })
    expectTypeOf(found).not.toBeAny()
    expectTypeOf(found).toEqualTypeOf<Wallet | null>()

    const row = await tx.wallet.findFirstOrThrow({ orderBy: { balance: 'desc' }, lock: 'forKeyShare' })
    expectTypeOf(row).not.toBeAny()
    expectTypeOf(row).toEqualTypeOf<Wallet>()
  })
})

test('a locked findMany returns rows', async () => {
  const rows = await prisma.wallet.findMany({
    where: { OR: [{ id: { in: [1, 2] } }, { userId: 1 }] },
    orderBy: [{ balance: 'desc' }, { id: 'asc' }],
    cursor: { id: 1 },
    skip: 1,
    take: -2,
    lock: { strength: 'forNoKeyUpdate', skipLocked: true },
  })
  expectTypeOf(rows).not.toBeAny()
  expectTypeOf(rows[0]!).not.toBeAny()
  expectTypeOf(rows).toEqualTypeOf<Wallet[]>()
})

test('a find without arguments or without lock is what it was', async () => {
  expectTypeOf(await prisma.wallet.findMany()).toEqualTypeOf<Wallet[]>()
  expectTypeOf(await prisma.wallet.findFirst()).toEqualTypeOf<Wallet | null>()
  expectTypeOf(await prisma.wallet.findFirstOrThrow()).toEqualTypeOf<Wallet>()
  expectTypeOf(await prisma.wallet.findMany({ distinct: ['userId'] })).toEqualTypeOf<Wallet[]>()
  expectTypeOf(await prisma.wallet.findMany({ distinct: ['userId'], lock: undefined })).toEqualTypeOf<Wallet[]>()
  expectTypeOf(await prisma.wallet.findUnique({ where: { id: 1 }, lock: undefined })).toEqualTypeOf<Wallet | null>()
  expectTypeOf(await prisma.wallet.findMany({ lock: undefined })).toEqualTypeOf<Wallet[]>()
})

test('a compound key finds its row', async () => {
  const row = await prisma.signIn.findUnique({ where: { userId_day: { userId: 1, day: new Date() } }, lock: 'forUpdate' })
  expectTypeOf(row).not.toBeAny()
  expectTypeOf(row).toEqualTypeOf<SignIn | null>()
})

test('select narrows the row to what it names, false left out', async () => {
  const row = await prisma.wallet.findUniqueOrThrow({
    where: { id: 1 },
    select: { balance: true, userId: false, user: { select: { name: true } }, entries: { take: 1 }, _count: { select: { coupons: true } } },
    lock: 'forUpdate',
  })
  expectTypeOf(row).not.toBeAny()
  expectTypeOf(row.user).not.toBeAny()
  expectTypeOf(row).toEqualTypeOf<{
    balance: Wallet['balance']
    user: { name: string }
    entries: WalletEntry[]
    _count: { coupons: number }
  }>()
})

test('include adds the related rows, nullable where they are', async () => {
  const user = await prisma.user.findUniqueOrThrow({
    where: { id: 1 },
    include: { wallet: { include: { entries: true } }, orders: { where: { number: 1 } } },
    lock: { strength: 'forUpdate', timeout: 500 },
  })
  expectTypeOf(user).not.toBeAny()
  expectTypeOf(user.wallet).not.toBeAny()
  expectTypeOf(user.name).toEqualTypeOf<string>()
  expectTypeOf(user.wallet).branded.toEqualTypeOf<(Wallet & { entries: WalletEntry[] }) | null>()
  expectTypeOf(user.orders).toEqualTypeOf<Order[]>()
  // @ts-expect-error what was not included is not there
  void user.tickets
})

test('omit takes fields away', async () => {
  const row = await prisma.wallet.findFirst({ omit: { balance: true }, lock: 'forUpdate' })
  expectTypeOf(row).not.toBeAny()
  expectTypeOf(row).toEqualTypeOf<Omit<Wallet, 'balance'> | null>()
})

test('every shape of a locked find has the type of the same find without a lock', async () => {
  const args = {
    where: { id: 1 },
    include: { user: { select: { name: true, quota: true } }, _count: true },
    omit: { userId: true },
  } as const
  const locked = await prisma.wallet.findUnique({ ...args, lock: 'forUpdate' })
  const unlocked = await plain.wallet.findUnique(args)
  expectTypeOf(locked).not.toBeAny()
  expectTypeOf(locked).toEqualTypeOf(unlocked)

  const list = await prisma.user.findMany({ select: { wallet: { select: { _count: true } } }, lock: 'forUpdate' })
  expectTypeOf(list).not.toBeAny()
  expectTypeOf(list).toEqualTypeOf(await plain.user.findMany({ select: { wallet: { select: { _count: true } } } }))
})

test('the fluent API follows a locked find of one row', async () => {
  await prisma.$transaction(async (tx) => {
    const owner = await tx.wallet.findUnique({ where: { id: 1 }, lock: 'forUpdate' }).user()
    expectTypeOf(owner).not.toBeAny()
    expectTypeOf(owner).toEqualTypeOf<User | null>()

    const surelyThere = await tx.wallet.findUniqueOrThrow({ where: { id: 1 }, lock: 'forUpdate' }).user()
    expectTypeOf(surelyThere).toEqualTypeOf<User>()

    const orders = await tx.wallet
      .findFirst({ lock: 'forUpdate' })
      .user()
      .orders({ select: { number: true } })
    expectTypeOf(orders).not.toBeAny()
    expectTypeOf(orders).toEqualTypeOf<{ number: number }[] | null>()
  })
})

test('a locked find is a PrismaPromise, for $transaction([…])', async () => {
  const [wallets, count, user] = await prisma.$transaction([
    prisma.wallet.findMany({ lock: 'forUpdate' }),
    prisma.wallet.count(),
    prisma.user.findUnique({ where: { id: 1 }, select: { name: true }, lock: 'forShare' }),
  ])
  expectTypeOf(wallets).not.toBeAny()
  expectTypeOf(wallets).toEqualTypeOf<Wallet[]>()
  expectTypeOf(count).toEqualTypeOf<number>()
  expectTypeOf(user).toEqualTypeOf<{ name: string } | null>()
})

test('a lock option kept in a variable is accepted', async () => {
  const option = { strength: 'forUpdate', nowait: true } as const
  expectTypeOf(await prisma.wallet.findFirst({ lock: option })).toEqualTypeOf<Wallet | null>()
  const strength = 'forShare' as 'forShare' | 'forUpdate'
  expectTypeOf(await prisma.wallet.findFirst({ select: { id: true }, lock: strength })).toEqualTypeOf<{ id: number } | null>()
  const perhaps = undefined as 'forUpdate' | undefined
  expectTypeOf(await prisma.wallet.findFirst({ select: { id: true }, lock: perhaps })).toEqualTypeOf<{ id: number } | null>()
})
