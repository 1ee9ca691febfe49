import { test } from 'vitest'

import { prisma } from './clients.js'

// Each of these is one mistake in an otherwise right call: a directive that nothing fails under is an
// error itself, so that a type that degraded to `any` fails here.

test('a strength that PostgreSQL does not have is refused', async () => {
  // @ts-expect-error not a strength
  await prisma.wallet.findFirst({ lock: 'forUpdates' })
  // @ts-expect-error not a strength
  await prisma.wallet.findMany({ lock: { strength: 'update' } })
  // @ts-expect-error the strength is missing
  await prisma.wallet.findMany({ lock: { nowait: true } })
  // @ts-expect-error the strength is missing
  await prisma.wallet.findMany({ lock: {} })
  // @ts-expect-error not a strength
  await prisma.wallet.findMany({ lock: true })
  // @ts-expect-error not a strength
  await prisma.wallet.findUnique({ where: { id: 1 }, lock: null })
})

test('at most one wait policy is accepted', async () => {
  // @ts-expect-error a locked row is an error or skipped
  await prisma.wallet.findFirst({ lock: { strength: 'forUpdate', nowait: true, skipLocked: true } })
  // @ts-expect-error nowait never waits
  await prisma.wallet.findFirst({ lock: { strength: 'forUpdate', nowait: true, timeout: 100 } })
  // @ts-expect-error skipLocked never waits
  await prisma.wallet.findFirst({ lock: { strength: 'forUpdate', skipLocked: true, timeout: 100 } })
  // @ts-expect-error a number of milliseconds
  await prisma.wallet.findFirst({ lock: { strength: 'forUpdate', timeout: '1s' } })
  // @ts-expect-error true or false
  await prisma.wallet.findFirst({ lock: { strength: 'forUpdate', nowait: 1 } })

  await prisma.wallet.findFirst({ lock: { strength: 'forUpdate', nowait: true, skipLocked: false } })
  await prisma.wallet.findFirst({ lock: { strength: 'forUpdate', skipLocked: false, timeout: 100 } })
})

test('distinct is refused with a lock on every find', async () => {
  // @ts-expect-error PostgreSQL refuses it
  await prisma.wallet.findMany({ distinct: ['userId'], lock: 'forUpdate' })
  // @ts-expect-error PostgreSQL refuses it
  await prisma.wallet.findMany({ distinct: 'userId', lock: { strength: 'forShare', nowait: true } })
  // @ts-expect-error PostgreSQL refuses it
  await prisma.wallet.findFirst({ distinct: ['userId'], lock: 'forKeyShare' })
  // @ts-expect-error PostgreSQL refuses it
  await prisma.wallet.findFirstOrThrow({ distinct: ['userId'], lock: 'forKeyShare' })
  // @ts-expect-error PostgreSQL refuses it
  await prisma.wallet.withLock({ where: { id: 1 }, distinct: ['userId'] }, async () => 1)
})

test('what cannot lock rows takes no lock', async () => {
  // @ts-expect-error
  await prisma.wallet.count({ lock: 'forUpdate' })
  // @ts-expect-error
  await prisma.wallet.aggregate({ _sum: { balance: true }, lock: 'forUpdate' })
  // @ts-expect-error
  await prisma.wallet.groupBy({ by: ['userId'], lock: 'forUpdate' })
  // @ts-expect-error
  await prisma.wallet.update({ where: { id: 1 }, data: { balance: 1 }, lock: 'forUpdate' })
  // @ts-expect-error
  await prisma.wallet.updateMany({ data: { balance: 1 }, lock: 'forUpdate' })
  // @ts-expect-error
  await prisma.wallet.create({ data: { userId: 1 }, lock: 'forUpdate' })
  // @ts-expect-error
  await prisma.wallet.upsert({ where: { id: 1 }, create: { userId: 1 }, update: {}, lock: 'forUpdate' })
  // @ts-expect-error
  await prisma.wallet.delete({ where: { id: 1 }, lock: 'forUpdate' })
  // @ts-expect-error
  await prisma.wallet.deleteMany({ lock: 'forUpdate' })
  // @ts-expect-error related rows are read after the lock, by statements without one
  await prisma.wallet.findMany({ include: { entries: { lock: 'forUpdate' } } })
  // @ts-expect-error
  await prisma.wallet.findFirst({ lock: 'forUpdate' }).user({ lock: 'forUpdate' })
})

test('misspelt keys are refused at every depth', async () => {
  // @ts-expect-error lock
  await prisma.wallet.findMany({ lokc: 'forUpdate' })
  // @ts-expect-error lock
  await prisma.wallet.findUnique({ where: { id: 1 }, Lock: 'forUpdate' })
  // @ts-expect-error nowait
  await prisma.wallet.findFirst({ lock: { strength: 'forUpdate', noWait: true } })
  // @ts-expect-error userId
  await prisma.wallet.findFirst({ where: { userid: 1 }, lock: 'forUpdate' })
  // @ts-expect-error equals
  await prisma.wallet.findFirst({ where: { userId: { equal: 1 } }, lock: 'forUpdate' })
  // @ts-expect-error name
  await prisma.wallet.findMany({ where: { user: { nam: 'x' } }, lock: 'forUpdate' })
  // @ts-expect-error balance
  await prisma.wallet.findFirst({ select: { ballance: true }, lock: 'forUpdate' })
  // @ts-expect-error name
  await prisma.wallet.findFirst({ select: { user: { select: { nam: true } } }, lock: 'forUpdate' })
  // @ts-expect-error entries
  await prisma.wallet.findFirst({ include: { entry: true }, lock: 'forUpdate' })
  // @ts-expect-error balance
  await prisma.wallet.findFirst({ omit: { ballance: true }, lock: 'forUpdate' })
  // @ts-expect-error asc or desc
  await prisma.wallet.findFirst({ orderBy: { id: 'up' }, lock: 'forUpdate' })
})

test('a unique find still wants a unique where', async () => {
  // @ts-expect-error where is missing
  await prisma.wallet.findUnique({ lock: 'forUpdate' })
  // @ts-expect-error where is missing
  await prisma.wallet.findUniqueOrThrow()
  // @ts-expect-error where is missing
  await prisma.wallet.findUnique({})
  // @ts-expect-error balance is not unique
  await prisma.wallet.findUniqueOrThrow({ where: { balance: 1 }, lock: 'forUpdate' })
  // @ts-expect-error a number
  await prisma.wallet.findUnique({ where: { id: '1' }, lock: 'forUpdate' })
  // @ts-expect-error the day is missing
  await prisma.signIn.findUnique({ where: { userId_day: { userId: 1 } }, lock: 'forUpdate' })
})
