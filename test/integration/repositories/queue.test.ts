import { directQuery } from 'rowlock'
import { buyTicket, credit, incrementCount, placeOrder, signIn, withdraw } from 'rowlock/repositories'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Pool } from 'pg'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase, waitUntil, waitUntilSessionsBlocked } from '../../support/database.js'
import { useRejectionCheck } from '../../support/rejections.js'
import { hold } from '../../support/repositories/lock-checks.js'
import {
  balanceOf,
  createCompany,
  createEvent,
  createQuota,
  createUser,
  createWallet,
  createWorld,
  type World,
} from '../../support/repositories/world.js'

const database = useDatabase()
useRejectionCheck()

const POOL_SIZE = 10
const AT_ONCE = 4
const CALLERS = 20

let world: World
let prisma: TestClient
let pool: Pool
beforeAll(() => {
  ;({ prisma, pool } = createClient(database, { poolSize: POOL_SIZE }))
  world = createWorld(database, prisma)
})

const connectionsOut = () => pool.totalCount - pool.idleCount

/** What the nth caller of one row does. */
interface Case {
  readonly call: (nth: number) => Promise<unknown>
  readonly row: string
}

const cases: Readonly<Record<string, () => Promise<Case>>> = {
  withdraw: async () => {
    const { userId } = await createWallet(world, 100)
    return { call: () => withdraw(prisma, { userId, amount: 1 }), row: `"Wallet" WHERE "userId" = ${userId}` }
  },
  'withdraw with a key': async () => {
    const { userId } = await createWallet(world, 100)
    return {
      call: (nth) => withdraw(prisma, { userId, amount: 1, idempotencyKey: `${userId} ${nth}` }),
      row: `"Wallet" WHERE "userId" = ${userId}`,
    }
  },
  credit: async () => {
    const { userId } = await createWallet(world, 100)
    return { call: () => credit(prisma, { userId, amount: 1 }), row: `"Wallet" WHERE "userId" = ${userId}` }
  },
  incrementCount: async () => {
    const company = await createCompany(world, 0)
    return { call: () => incrementCount(prisma, { company, count: 1 }), row: `"Company" WHERE name = '${company}'` }
  },
  buyTicket: async () => {
    const [eventId, userId] = [await createEvent(world, { remaining: CALLERS }), await createUser(world)]
    return { call: () => buyTicket(prisma, { eventId, userId }), row: `"Event" WHERE id = ${eventId}` }
  },
  placeOrder: async () => {
    const userId = await createUser(world)
    return { call: (nth) => placeOrder(prisma, { userId, orderId: `${userId} ${nth}`, amount: 5 }), row: `"User" WHERE id = ${userId}` }
  },
  signIn: async () => {
    const userId = await createQuota(world)
    const day = (nth: number) => new Date(Date.UTC(2026, 0, nth + 1, 12))
    return { call: (nth) => signIn(prisma, { userId, now: day(nth) }), row: `"ReadingQuota" WHERE "userId" = ${userId}` }
  },
}

describe(`${CALLERS} callers of one row`, () => {
  async function whileCallersQueue({ call, row }: Case, waiting: number, use: () => Promise<void>): Promise<void> {
    const holder = await hold(world, `SELECT 1 FROM ${row} FOR UPDATE`)
    const all = Promise.all(Array.from({ length: CALLERS }, (_, nth) => call(nth)))
    try {
      expect(await waitUntilSessionsBlocked(database.sql, waiting)).toHaveLength(waiting)
      await use()
    } finally {
      await holder.rollback()
      await all
    }
  }

  test.each(Object.entries(cases))('of %s leave connections for everyone else, and all get their turn', async (_, create) => {
    await whileCallersQueue(await create(), AT_ONCE, async () => {
      expect([connectionsOut(), pool.waitingCount]).toEqual([AT_ONCE, 0])
      const { userId } = await createWallet(world, 5)
      await withdraw(prisma, { userId, amount: 1 })
      expect(await balanceOf(world, userId)).toBe(4)
      expect(await waitUntilSessionsBlocked(database.sql, AT_ONCE)).toHaveLength(AT_ONCE)
    })
  })

  test('that are refused leave them, too', async () => {
    const { userId } = await createWallet(world, 0)
    const call = () => expect(withdraw(prisma, { userId, amount: 1 })).rejects.toMatchObject({ code: 'INSUFFICIENT_BALANCE' })
    await whileCallersQueue({ call, row: `"Wallet" WHERE "userId" = ${userId}` }, AT_ONCE, async () => {
      expect([connectionsOut(), pool.waitingCount]).toEqual([AT_ONCE, 0])
    })
  })

  test('would hold all of them without the queue', async () => {
    const { userId } = await createWallet(world, 100)
    const text = 'UPDATE "Wallet" SET "balance" = "balance" - 1 WHERE "userId" = $1 AND "balance" >= 1'
    const call = () => directQuery(prisma, { text, values: [userId] })
    await whileCallersQueue({ call, row: `"Wallet" WHERE "userId" = ${userId}` }, POOL_SIZE, async () => {
      expect([connectionsOut(), pool.waitingCount]).toEqual([POOL_SIZE, CALLERS - POOL_SIZE])
      const unrelated = prisma.company.count()
      unrelated.then(undefined, () => undefined)
      await waitUntil('it queues for a connection, too', async () => (pool.waitingCount > CALLERS - POOL_SIZE ? true : undefined))
    })
  })
})
