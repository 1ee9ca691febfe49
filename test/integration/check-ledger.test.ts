import { AssertionError } from 'node:assert'
import { PrismaPg } from '@prisma/adapter-pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { PrismaClient, type Prisma } from '../../src/generated/prisma/client.js'
import { checkLedger, type LedgerViolation } from '../../src/harness/check-ledger.js'
import { race } from '../../src/harness/race.js'
import { useDatabase } from '../support/database.js'

const database = useDatabase()
let prisma: PrismaClient
let walletId: number

beforeAll(() => {
  prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: database.url, max: 10 }) })
})

afterAll(() => prisma.$disconnect())

beforeEach(async () => {
  await prisma.user.deleteMany()
  const entries = { create: { kind: 'CREDIT' as const, amount: 100, balance: 100 } }
  const user = await prisma.user.create({
    data: { name: 'Ada', wallet: { create: { balance: 100, entries } } },
    include: { wallet: true },
  })
  walletId = user.wallet!.id
})

/** Withdraws 10; broken, without the lock that makes the read and the write one step. */
async function withdraw(locked: boolean): Promise<void> {
  await prisma.$transaction(async (tx) => {
    if (locked) await tx.$queryRaw`SELECT 1 FROM "Wallet" WHERE "id" = ${walletId} FOR NO KEY UPDATE`
    const wallet = await tx.wallet.findUniqueOrThrow({ where: { id: walletId } })
    const balance = wallet.balance.minus(10)
    if (balance.isNegative()) throw new RangeError('not enough money')
    await tx.wallet.update({ where: { id: walletId }, data: { balance } })
    await tx.walletEntry.create({ data: { walletId, kind: 'WITHDRAWAL', amount: -10, balance } })
  })
}

async function violations(options = {}): Promise<readonly LedgerViolation[]> {
  const failure: unknown = await checkLedger(prisma, options).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(AssertionError)
  return (failure as AssertionError).actual as LedgerViolation[]
}

test('checkLedger reports what it looked at when the ledger is right', async () => {
  expect(await checkLedger(prisma)).toEqual({ wallets: 1, entries: 1, balance: '100.00' })
  expect(await checkLedger(prisma, { walletId, successes: 1, kind: 'CREDIT' })).toMatchObject({ wallets: 1 })
  await prisma.$transaction(async (tx) => expect(await checkLedger(tx)).toMatchObject({ entries: 1 }))
})

test('checkLedger accepts withdrawals under a row lock', async () => {
  const result = await race({ requests: 30, concurrency: 8, run: () => withdraw(true) })
  expect(result).toMatchObject({ fulfilled: 10, errors: { RangeError: 20 } })
  const report = await checkLedger(prisma, { successes: result.fulfilled, kind: 'WITHDRAWAL' })
  expect(report).toEqual({ wallets: 1, entries: 11, balance: '0.00' })
})

test('checkLedger finds the lost updates of withdrawals without a lock', async () => {
  const result = await race({ requests: 8, concurrency: 8, run: () => withdraw(false) })
  expect(result.fulfilled).toBe(8)
  expect((await violations()).map(({ invariant }) => invariant)).toContain('balance is the sum of the entries')
})

test.each([1, -1])('checkLedger finds successes that are off by %i', async (off) => {
  await withdraw(true)
  expect(await violations({ successes: 1 + off, kind: 'WITHDRAWAL' })).toEqual([
    { invariant: 'one entry for each success', walletId: null, entryId: null, expected: `${1 + off}`, actual: '1' },
  ])
})

test('checkLedger finds a balance that its entries do not add up to, exactly', async () => {
  await prisma.wallet.update({ where: { id: walletId }, data: { balance: '100.01' } })
  expect(await violations()).toEqual([
    {
      invariant: 'balance is the sum of the entries',
      walletId,
      entryId: null,
      expected: '100.00',
      actual: '100.01',
    },
  ])
})

test('checkLedger finds an entry whose balance is not the running sum', async () => {
  const data = { walletId, kind: 'CREDIT' as const, amount: 5, balance: 104 }
  const entry = await prisma.walletEntry.create({ data })
  await prisma.wallet.update({ where: { id: walletId }, data: { balance: 105 } })
  expect(await violations()).toEqual([
    {
      invariant: 'entry balance is the running sum',
      walletId,
      entryId: `${entry.id}`,
      expected: '105.00',
      actual: '104.00',
    },
  ])
})

/** What checkLedger finds after `corrupt`, with the database's own CHECK constraints out of the way. */
async function violationsWithoutConstraints(corrupt: (tx: Prisma.TransactionClient) => Promise<unknown>) {
  // Rolled back by checkLedger's error, so that the constraints are there for the next test.
  return prisma
    .$transaction(async (tx) => {
      for (const table of ['Wallet', 'WalletEntry']) {
        const constraints = await tx.$queryRaw<{ conname: string }[]>`
          SELECT conname FROM pg_constraint WHERE conrelid::regclass::text = ${`"${table}"`} AND contype = 'c'`
        for (const { conname } of constraints) {
          await tx.$executeRawUnsafe(`ALTER TABLE "${table}" DROP CONSTRAINT "${conname}"`)
        }
      }
      await corrupt(tx)
      await checkLedger(tx)
    })
    .catch((error: unknown) => {
      if (error instanceof AssertionError) return error.actual
      throw error
    })
}

test('checkLedger finds an amount with the sign of the other kind', async () => {
  const found = await violationsWithoutConstraints(async (tx) => {
    await tx.walletEntry.create({ data: { walletId, kind: 'WITHDRAWAL', amount: 5, balance: 105 } })
    await tx.wallet.update({ where: { id: walletId }, data: { balance: 105 } })
  })
  expect(found).toMatchObject([{ invariant: 'amount has the sign of its kind', actual: '5.00' }])
})

test('checkLedger finds negative balances', async () => {
  const found = await violationsWithoutConstraints(async (tx) => {
    await tx.wallet.update({ where: { id: walletId }, data: { balance: -1 } })
    await tx.walletEntry.create({ data: { walletId, kind: 'WITHDRAWAL', amount: -101, balance: -1 } })
  })
  expect(found).toMatchObject([
    { invariant: 'balance is not negative', actual: '-1.00' },
    { invariant: 'entry balance is not negative', actual: '-1.00' },
  ])
})

test('checkLedger does not pass when there is no wallet to look at', async () => {
  expect(await violations({ walletId: walletId + 1 })).toMatchObject([{ invariant: 'there is a wallet' }])
  await prisma.user.deleteMany()
  expect(await violations()).toMatchObject([{ invariant: 'there is a wallet', walletId: null }])
})
