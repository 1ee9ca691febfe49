import { PrismaPg } from '@prisma/adapter-pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openLedger, seed } from '../../bench/compare/ledger.js'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import { checkLedger } from '../../src/harness/check-ledger.js'
import { useDatabase } from '../support/database.js'

const HISTORY = 1_001

const database = useDatabase()
let prisma: PrismaClient
let ledger: ReturnType<typeof openLedger>

beforeAll(async () => {
  prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: database.url, max: 1 }) })
  await seed(database.url, { wallets: 8, history: HISTORY })
  ledger = openLedger(database.url, HISTORY)
})

afterAll(async () => {
  await ledger[Symbol.asyncDispose]()
  await prisma.$disconnect()
})

const lastBalance = async () => Number((await prisma.wallet.findUniqueOrThrow({ where: { id: 1 } })).balance) - 1
const update = (balance: number) => prisma.wallet.update({ where: { id: 1 }, data: { balance } })
const enter = (balance: number) => prisma.walletEntry.create({ data: { walletId: 1, kind: 'WITHDRAWAL', amount: -1, balance } })

test('the history that the benchmarks start from is a ledger that adds up, half of it the first wallet’s', async () => {
  await checkLedger(prisma, { successes: HISTORY })
  expect(await prisma.walletEntry.count({ where: { walletId: 1 } })).toBe(501)
})

test('a round with every withdrawal in the ledger passes, and leaves the history as it was', async () => {
  const balance = await lastBalance()
  await update(balance)
  await enter(balance)
  await ledger.verify('right', 1)
  await checkLedger(prisma, { successes: HISTORY })
  await ledger.verify('nobody', 0)
})

test.each([
  ['an entry is missing', { withdrawals: 2, entries: [0], balance: 0 }],
  ['an update is lost', { withdrawals: 2, entries: [0, 0], balance: 0 }],
  ['a balance was not changed', { withdrawals: 1, entries: [0], balance: 1 }],
  ['an entry is there that nobody reported', { withdrawals: 0, entries: [0], balance: 0 }],
])('a round is refused in which %s', async (_, { withdrawals, entries, balance }) => {
  const right = await lastBalance()
  await update(right + balance)
  for (const each of entries) await enter(right + each)
  await expect(ledger.verify('wrong', withdrawals)).rejects.toThrow(/^wrong: \d withdrawals left \d entries, and \d wallets are wrong/)
  await prisma.walletEntry.deleteMany({ where: { id: { gt: HISTORY } } })
  await update(right + 1)
})
