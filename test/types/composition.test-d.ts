import type { RowLocksExtension } from 'rowlock'
import { lockInOrder, rowLocks } from 'rowlock'
import { expectTypeOf, test } from 'vitest'

import type { Company, Prisma, User, Wallet, WalletEntry } from '../../src/generated/prisma/client.js'
import {
  afterFilter,
  afterGreetings,
  afterReplicas,
  beforeFilter,
  beforeGreetings,
  beforeReplicas,
  nameless,
  namelessPlain,
  plain,
} from './clients.js'

test('computed fields are in the locked row, whichever extension comes first', async () => {
  for (const client of [beforeGreetings, afterGreetings] as const) {
    expectTypeOf(client.user).not.toBeAny()
  }
  const early = await beforeGreetings.user.findUniqueOrThrow({ where: { id: 1 }, lock: 'forUpdate' })
  expectTypeOf(early).not.toBeAny()
  expectTypeOf(early).branded.toEqualTypeOf<User & { greeting: string }>()
  const late = await afterGreetings.user.findUniqueOrThrow({ where: { id: 1 }, lock: 'forUpdate' })
  expectTypeOf(late).not.toBeAny()
  expectTypeOf(late).branded.toEqualTypeOf<User & { greeting: string }>()
})

test('computed fields can be selected and omitted in a locked find, and reach related rows', async () => {
  const selected = await beforeGreetings.user.findFirst({ select: { greeting: true }, lock: 'forUpdate' })
  expectTypeOf(selected).not.toBeAny()
  expectTypeOf(selected).toEqualTypeOf<{ greeting: string } | null>()
  const omitted = await afterGreetings.user.findFirstOrThrow({ omit: { greeting: true }, lock: 'forUpdate' })
  expectTypeOf(omitted).toEqualTypeOf<User>()
  const wallet = await afterGreetings.wallet.findUniqueOrThrow({ where: { id: 1 }, include: { user: true }, lock: 'forUpdate' })
  expectTypeOf(wallet.user.greeting).toEqualTypeOf<string>()
  // @ts-expect-error greeting
  await afterGreetings.user.findFirst({ select: { greetings: true }, lock: 'forUpdate' })
})

test('computed fields are in the row of withLock and on both transaction clients', async () => {
  await beforeGreetings.user.withLock({ where: { id: 1 } }, async (row, tx) => {
    expectTypeOf(row).not.toBeAny()
    expectTypeOf(row.greeting).toEqualTypeOf<string>()
    expectTypeOf((await tx.user.findFirstOrThrow({ lock: 'forShare' })).greeting).toEqualTypeOf<string>()
  })
  await afterGreetings.$transactionWithRetry(async (tx) => {
    expectTypeOf((await tx.user.findFirstOrThrow({ lock: 'forShare' })).greeting).toEqualTypeOf<string>()
    const [user] = await lockInOrder(tx, [{ model: 'user', where: { id: 1 } }])
    expectTypeOf(user).not.toBeAny()
    expectTypeOf(user.greeting).toEqualTypeOf<string>()
  })
})

test('query, model and client extensions keep their own and rowlock its methods, in either order', async () => {
  for (const client of [beforeFilter]) {
    expectTypeOf(client.$salt()).toEqualTypeOf<number>()
    expectTypeOf(client.user.salt()).toEqualTypeOf<string>()
    expectTypeOf(await client.user.findMany({ lock: 'forUpdate' })).toEqualTypeOf<User[]>()
    await client.$transactionWithRetry(async (tx) => {
      expectTypeOf(tx.user.salt()).toEqualTypeOf<string>()
      expectTypeOf(await tx.wallet.findFirst({ lock: 'forUpdate' })).toEqualTypeOf<Wallet | null>()
    })
  }
  for (const client of [afterFilter]) {
    expectTypeOf(client.$salt()).toEqualTypeOf<number>()
    expectTypeOf(client.user.salt()).toEqualTypeOf<string>()
    expectTypeOf(await client.user.findMany({ lock: 'forUpdate' })).toEqualTypeOf<User[]>()
    await client.user.withLock({ where: { id: 1 } }, async (row, tx) => {
      expectTypeOf(row).toEqualTypeOf<User>()
      expectTypeOf(tx.user.salt()).toEqualTypeOf<string>()
    })
  }
})

test('read replicas compose in either order', async () => {
  expectTypeOf(await beforeReplicas.user.findMany({ lock: 'forUpdate' })).toEqualTypeOf<User[]>()
  expectTypeOf(await beforeReplicas.$primary().user.findFirst({ lock: 'forUpdate' })).toEqualTypeOf<User | null>()
  expectTypeOf(await afterReplicas.user.findMany({ select: { id: true }, lock: 'forUpdate' })).toEqualTypeOf<{ id: number }[]>()
  await afterReplicas.$transactionWithRetry(async (tx) => {
    expectTypeOf(await tx.user.findFirst({ lock: 'forUpdate' })).toEqualTypeOf<User | null>()
  })
})

test('what the client omits everywhere is not in a locked row either, unless asked for', async () => {
  type Nameless = Omit<User, 'name'>
  const user = await nameless.user.findUniqueOrThrow({ where: { id: 1 }, lock: 'forUpdate' })
  expectTypeOf(user).not.toBeAny()
  expectTypeOf(user).toEqualTypeOf<Nameless>()
  expectTypeOf(await nameless.user.findMany({ lock: 'forUpdate' })).toEqualTypeOf<Nameless[]>()
  expectTypeOf(await nameless.user.findFirst({ lock: 'forUpdate', omit: { name: false } })).toEqualTypeOf<User | null>()
  expectTypeOf(await nameless.wallet.findFirst({ lock: 'forUpdate' }).user()).toEqualTypeOf<Nameless | null>()

  const wallet = await nameless.wallet.findFirstOrThrow({ include: { user: true }, lock: 'forUpdate' })
  expectTypeOf(wallet).toEqualTypeOf(await namelessPlain.wallet.findFirstOrThrow({ include: { user: true } }))

  await nameless.user.withLock({ where: { id: 1 } }, async (row, tx) => {
    expectTypeOf(row).toEqualTypeOf<Nameless>()
    expectTypeOf(await tx.user.findFirst({ lock: 'forUpdate' })).toEqualTypeOf<Nameless | null>()
  })
  await nameless.$transactionWithRetry(async (tx) => {
    const [locked] = await lockInOrder(tx, [{ model: 'user', where: { id: 1 } }])
    expectTypeOf(locked).not.toBeAny()
    expectTypeOf(locked).toEqualTypeOf<Nameless>()
  })
})

test('a client that was kept under a type of its own keeps lock', async () => {
  type Db = typeof beforeGreetings
  type Tx = Parameters<Parameters<Db['$transaction']>[0]>[0]
  class Users {
    constructor(private readonly db: Db | Tx) {}
    async find(id: number) {
      return this.db.user.findUnique({ where: { id }, select: { greeting: true }, lock: 'forUpdate' })
    }
  }
  expectTypeOf(await new Users(beforeGreetings).find(1)).not.toBeAny()
  expectTypeOf(await new Users(beforeGreetings).find(1)).toEqualTypeOf<{ greeting: string } | null>()

  const { user } = beforeGreetings
  expectTypeOf(await user.findFirst({ select: { id: true }, lock: 'forUpdate' })).toEqualTypeOf<{ id: number } | null>()

  const picked: Pick<Db, 'user'> = beforeGreetings
  expectTypeOf(await picked.user.findMany({ select: { id: true }, lock: 'forUpdate' })).toEqualTypeOf<{ id: number }[]>()
})

test('a model whose type was made into another one keeps lock, and never becomes any', async () => {
  const widened = beforeGreetings.wallet as typeof beforeGreetings.wallet & { extra: true }
  const row = await widened.findFirst({ select: { id: true }, lock: 'forUpdate' })
  expectTypeOf(row).not.toBeAny()
  expectTypeOf(row).toEqualTypeOf<{ id: number } | null>()
  // @ts-expect-error id
  await widened.findFirst({ select: { idd: true }, lock: 'forUpdate' })

  const readOnly: Omit<typeof beforeGreetings.wallet, 'create'> = beforeGreetings.wallet
  expectTypeOf(await readOnly.findMany({ include: { entries: true }, lock: 'forUpdate' })).toEqualTypeOf<
    (Wallet & { entries: WalletEntry[] })[]
  >()

  const either = beforeGreetings['wallet' as 'wallet' | 'company']
  expectTypeOf(await either.findFirstOrThrow({ where: { id: 1 }, lock: 'forUpdate' })).toEqualTypeOf<Wallet | Company>()
})

test('Prisma.Args and Prisma.Result know the lock', () => {
  type Args = Prisma.Args<typeof beforeGreetings.user, 'findMany'>
  expectTypeOf<Args>().not.toBeAny()
  expectTypeOf<Prisma.Result<typeof beforeGreetings.user, { select: { id: true } }, 'findFirst'>>().toEqualTypeOf<{ id: number } | null>()
})

test('rowLocks() is an extension and nothing else', () => {
  expectTypeOf(rowLocks()).toEqualTypeOf<RowLocksExtension>()
  // @ts-expect-error it takes no options
  rowLocks({ lock: 'forUpdate' })
  expectTypeOf(plain).not.toHaveProperty('$transactionWithRetry')
})
