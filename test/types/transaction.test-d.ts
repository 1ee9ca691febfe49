import { lockInOrder, type RetryEvent, type TransactionContext } from 'rowlock'
import { expectTypeOf, test } from 'vitest'

import type { Event, User, Wallet } from '../../src/generated/prisma/client.js'
import { prisma } from './clients.js'

test('the transaction client of $transaction has lock, and neither connection nor extension methods', async () => {
  await prisma.$transaction(async (tx) => {
    expectTypeOf(tx).not.toBeAny()
    expectTypeOf(tx.wallet).not.toBeAny()
    expectTypeOf(tx).not.toHaveProperty('$extends')
    expectTypeOf(tx).not.toHaveProperty('$disconnect')
    expectTypeOf(await tx.$advisoryLock(['invoice', 2026n, 1], { timeout: 100 })).toEqualTypeOf<void>()
  })
})

test('$transactionWithRetry passes the client that $transaction passes, and returns what its function returns', async () => {
  const balance = await prisma.$transactionWithRetry(async (tx, context) => {
    expectTypeOf(tx).not.toBeAny()
    expectTypeOf(tx.user).not.toBeAny()
    expectTypeOf(context).toEqualTypeOf<TransactionContext>()
    expectTypeOf(tx).toExtend<Parameters<Parameters<(typeof prisma)['$transaction']>[0]>[0]>()
    const wallet = await tx.wallet.findUniqueOrThrow({ where: { id: 1 }, select: { balance: true }, lock: 'forUpdate' })
    expectTypeOf(wallet).not.toBeAny()
    return wallet.balance
  })
  expectTypeOf(balance).not.toBeAny()
  expectTypeOf(balance).toEqualTypeOf<Wallet['balance']>()
})

test('$transactionWithRetry knows its options', async () => {
  const run = async () => 1
  await prisma.$transactionWithRetry(run, {
    isolationLevel: 'Serializable',
    maxWait: 1_000,
    timeout: 2_000,
    lockTimeout: 500,
    gate: { key: ['event', 7], width: 3 },
    signal: AbortSignal.timeout(1_000),
    retry: { attempts: 3, deadline: 10_000, baseDelay: 10, maxDelay: 100, on: ['DEADLOCK', 'LOCK_TIMEOUT'] },
    onRetry(event) {
      expectTypeOf(event).toEqualTypeOf<RetryEvent>()
    },
  })
  await prisma.$transactionWithRetry(run, { retry: false })

  // @ts-expect-error retry: { attempts }
  await prisma.$transactionWithRetry(run, { retries: 3 })
  // @ts-expect-error an object or false
  await prisma.$transactionWithRetry(run, { retry: true })
  // @ts-expect-error attempts
  await prisma.$transactionWithRetry(run, { retry: { attempt: 3 } })
  // @ts-expect-error not a code that a retry helps against
  await prisma.$transactionWithRetry(run, { retry: { on: ['AMBIGUOUS_COMMIT'] } })
  // @ts-expect-error Prisma's spelling
  await prisma.$transactionWithRetry(run, { isolationLevel: 'SERIALIZABLE' })
  // @ts-expect-error milliseconds
  await prisma.$transactionWithRetry(run, { timeout: '5s' })
  await prisma.$transactionWithRetry(run, { gate: 7n })
  // @ts-expect-error a key
  await prisma.$transactionWithRetry(run, { gate: { width: 3 } })
  // @ts-expect-error the gate of a row, for withLock
  await prisma.$transactionWithRetry(run, { gate: true })
  // @ts-expect-error a function that returns a promise
  await prisma.$transactionWithRetry(() => 1)
  // @ts-expect-error the function of $transaction, not its array
  await prisma.$transactionWithRetry([prisma.wallet.count()])
})

test('withLock passes the row, never null, and a transaction client', async () => {
  const result = await prisma.wallet.withLock({ where: { userId: 1 } }, async (row, tx) => {
    expectTypeOf(row).not.toBeAny()
    expectTypeOf(row).toEqualTypeOf<Wallet>()
    expectTypeOf(tx).not.toBeAny()
    expectTypeOf(tx.user).not.toBeAny()
    expectTypeOf(tx).not.toHaveProperty('$extends')
    expectTypeOf(await tx.user.findMany({ select: { id: true }, lock: 'forShare' })).toEqualTypeOf<{ id: number }[]>()
    await tx.$advisoryLock('key')
    await lockInOrder(tx, [{ model: 'wallet', where: { id: 1 } }])
    return 'done' as const
  })
  expectTypeOf(result).toEqualTypeOf<'done'>()
})

test('the row of withLock has the shape that select, include and omit give it', async () => {
  await prisma.wallet.withLock(
    { where: { balance: { gt: 0 } }, orderBy: { id: 'asc' }, select: { user: { select: { name: true } } }, lock: 'forUpdate' },
    async (row) => {
      expectTypeOf(row).not.toBeAny()
      expectTypeOf(row).toEqualTypeOf<{ user: { name: string } }>()
    },
  )
  await prisma.wallet.withLock({ where: { id: 1 }, include: { user: true }, omit: { balance: true } }, async (row) => {
    expectTypeOf(row).branded.toEqualTypeOf<{ id: number; userId: number; user: User }>()
  })
  await prisma.signIn.withLock({ where: { userId_day: { userId: 1, day: new Date() } } }, async (row) => {
    expectTypeOf(row.day).toEqualTypeOf<Date>()
  })
})

test('withLock refuses what it does not know', async () => {
  // @ts-expect-error userId
  await prisma.wallet.withLock({ where: { userid: 1 } }, async () => 1)
  // @ts-expect-error where is missing
  await prisma.wallet.withLock({}, async () => 1)
  // @ts-expect-error where is missing
  await prisma.wallet.withLock({ lock: 'forUpdate' }, async () => 1)
  // @ts-expect-error balance
  await prisma.wallet.withLock({ where: { id: 1 }, select: { ballance: true } }, async () => 1)
  // @ts-expect-error lock
  await prisma.wallet.withLock({ where: { id: 1 }, lokc: 'forUpdate' }, async () => 1)
  // @ts-expect-error a strength
  await prisma.wallet.withLock({ where: { id: 1 }, lock: 'forUpdates' }, async () => 1)
  // @ts-expect-error retry: { attempts }
  await prisma.wallet.withLock({ where: { id: 1 } }, async () => 1, { attempts: 3 })
  // @ts-expect-error a strength
  await prisma.wallet.withLock({ where: { id: 1 } }, async () => 1, { lock: 'exclusive' })
  // @ts-expect-error true or a gate
  await prisma.wallet.withLock({ where: { id: 1 } }, async () => 1, { gate: false })
  // @ts-expect-error width
  await prisma.wallet.withLock({ where: { id: 1 } }, async () => 1, { gate: { size: 3 } })
  await prisma.wallet.withLock({ where: { id: 1 } }, async () => 1, { lock: 'forUpdate', timeout: 1_000, retry: false, gate: true })
  await prisma.wallet.withLock({ where: { id: 1 } }, async () => 1, { gate: { width: 3 } })
  await prisma.wallet.withLock({ where: { id: 1 } }, async () => 1, { gate: ['wallet', 1] })
})

test('lockInOrder returns the rows of a tuple one by one', async () => {
  await prisma.$transaction(async (tx) => {
    const rows = await lockInOrder(tx, [
      { model: 'wallet', where: { userId: 2 } },
      { model: 'event', where: { id: 1 } },
      { model: 'wallet', where: { id: 1 } },
    ])
    expectTypeOf(rows).not.toBeAny()
    expectTypeOf(rows[0]).not.toBeAny()
    expectTypeOf(rows).toEqualTypeOf<[Wallet, Event, Wallet]>()

    const ids: number[] = [1, 2]
    const wallets = await lockInOrder(
      tx,
      ids.map((id) => ({ model: 'wallet' as const, where: { id } })),
      { strength: 'forUpdate', timeout: 100 },
    )
    expectTypeOf(wallets).toEqualTypeOf<Wallet[]>()
  })
})

test('lockInOrder refuses unknown models and keys that are not unique', async () => {
  await prisma.$transaction(async (tx) => {
    // @ts-expect-error no such model
    await lockInOrder(tx, [{ model: 'purse', where: { id: 1 } }])
    // @ts-expect-error balance is not unique
    await lockInOrder(tx, [{ model: 'wallet', where: { balance: 1 } }])
    // @ts-expect-error where is missing
    await lockInOrder(tx, [{ model: 'wallet' }])
    // @ts-expect-error not a strength
    await lockInOrder(tx, [{ model: 'wallet', where: { id: 1 } }], 'update')
  })
})

test('$advisoryLock knows its keys and options', async () => {
  await prisma.$transaction(async (tx) => {
    await tx.$advisoryLock(42, { shared: true, nowait: true })
    // @ts-expect-error no key
    await tx.$advisoryLock()
    // @ts-expect-error not a key
    await tx.$advisoryLock({ name: 'invoice' })
    // @ts-expect-error nowait
    await tx.$advisoryLock('invoice', { noWait: true })
    // @ts-expect-error milliseconds
    await tx.$advisoryLock('invoice', { timeout: '1s' })
  })
})
