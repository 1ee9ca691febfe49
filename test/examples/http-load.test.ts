import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { checkLedger } from 'rowlock/testing'
import { beforeAll, describe, expect, test } from 'vitest'
import { createNaiveOperations } from '../../examples/http/naive-operations.js'
import type { Operations } from '../../examples/http/operations.js'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import { useDatabase } from '../support/database.js'
import { startTestService } from '../support/examples/http-service.js'
import { load } from '../support/examples/load.js'
import {
  balanceOf,
  createEvent,
  createUser,
  createWallet,
  createWorld,
  entriesOf,
  remainingOf,
  type World,
} from '../support/repositories/world.js'

// 500 requests, 100 at a time, from the same process: what takes the time is this machine and not the service.
const LOAD = 120_000
const TICKETS = 15

const database = useDatabase()
let world: World
beforeAll(() => {
  world = createWorld(database)
})

/** 500 people want one of 15 tickets. */
async function sell(operations?: Operations) {
  const eventId = await createEvent(world, { remaining: TICKETS })
  const data = Array.from({ length: 500 }, (_, index) => ({ name: `Buyer ${index}` }))
  const buyers = await world.other.user.createManyAndReturn({ data })
  await using service = await startTestService(database, operations && { operations })
  const answers = await load(`${service.url}/tickets/buy`, (index) => ({
    body: { userId: buyers[index % 500]!.id, eventId },
    key: `buy-${index}`,
  }))
  return {
    answers,
    failures: service.failures,
    sold: await world.other.ticket.count({ where: { eventId } }),
    remaining: await remainingOf(world, eventId),
  }
}

/** 500 withdrawals of 10 meet a wallet of 3,000. */
async function payOut(operations?: Operations) {
  const { userId } = await createWallet(world, 3_000)
  await using service = await startTestService(database, operations && { operations })
  const answers = await load(`${service.url}/wallet/withdraw`, (index) => ({ body: { userId, amount: '10' }, key: `pay-${index}` }))
  const entries = await entriesOf(world, userId)
  const paid = entries.filter(({ kind }) => kind === 'WITHDRAWAL').length
  return { answers, failures: service.failures, paid, balance: await balanceOf(world, userId) }
}

describe('500 requests, 100 at a time', { timeout: LOAD }, () => {
  test('sell exactly the 15 tickets there are, and tell the other 485 that it is sold out', async () => {
    expect(await sell()).toEqual({ answers: { 200: TICKETS, 409: 500 - TICKETS }, failures: [], sold: TICKETS, remaining: 0 })
  })

  test('pay out exactly what is in the wallet', async () => {
    expect(await payOut()).toEqual({ answers: { 200: 300, 409: 200 }, failures: [], paid: 300, balance: 0 })
    await checkLedger(world.other)
  })

  test('sign a user in exactly once', async () => {
    const userId = await createUser(world)
    await using service = await startTestService(database)
    expect(await load(`${service.url}/api/sign`, () => ({ body: { userId } }))).toEqual({ 200: 1, 409: 499 })
    expect(service.failures).toEqual([])
    expect(await world.other.signIn.count({ where: { userId } })).toBe(1)
    expect(await world.other.readingQuota.findUnique({ where: { userId } })).toEqual({ userId, remaining: 25 })
  })

  test('with one Idempotency-Key credit once, and all get the same answer', async () => {
    const userId = await createUser(world)
    await using service = await startTestService(database)
    const request = { userId, amount: '100' }
    expect(await load(`${service.url}/wallet/credit`, () => ({ body: request, key: 'payment-1' }))).toEqual({ 200: 500 })
    expect(service.failures).toEqual([])
    const [entry, ...others] = await entriesOf(world, userId)
    expect(others).toEqual([])
    const again = await service.post('/wallet/credit', request, 'payment-1')
    expect(await again.json()).toEqual({ entryId: String(entry!.id), amount: '100.00', balance: '100.00', coupon: '5.00' })
    await checkLedger(world.other)
  })

  test('with credits and withdrawals of one wallet leave what was answered', async () => {
    const { userId, walletId } = await createWallet(world, 0)
    await using service = await startTestService(database)
    const credits = load(`${service.url}/wallet/credit`, (index) => ({ body: { userId, amount: '1.01' }, key: `c-${index}` }))
    const withdrawals = load(`${service.url}/wallet/withdraw`, (index) => ({ body: { userId, amount: '2.02' }, key: `w-${index}` }))
    const [credited, { 200: paid = 0, 409: refused = 0, ...rest }] = await Promise.all([credits, withdrawals])
    expect([credited, paid + refused, rest]).toEqual([{ 200: 500 }, 500, {}])
    expect(await balanceOf(world, userId)).toBeCloseTo(500 * 1.01 - paid * 2.02)
    await checkLedger(world.other, { walletId, successes: 500 + paid })
  })
})

describe('the same service over naive code', { timeout: LOAD }, () => {
  const createNaive = () => {
    const pool = database.watch(new Pool({ connectionString: database.url, max: 10 }))
    return createNaiveOperations(new PrismaClient({ adapter: new PrismaPg(pool) }))
  }

  test('sells more tickets than there are', async () => {
    const { answers, sold } = await sell(createNaive())
    expect(answers[200]).toBeGreaterThan(TICKETS)
    expect(sold).toBeGreaterThan(TICKETS)
  })

  test('pays out more than was in the wallet, and its ledger does not add up', async () => {
    const { answers } = await payOut(createNaive())
    expect(answers[200]).toBeGreaterThan(300)
    await expect(checkLedger(world.other)).rejects.toThrow(/balance is the sum of the entries/)
  })
})
