import {
  AlreadySignedInError,
  buyAnyTicket,
  buyTicket,
  CompanyNotFoundError,
  CountTooLowError,
  credit,
  decrementCount,
  IdempotencyConflictError,
  incrementCount,
  InsufficientBalanceError,
  LimitExceededError,
  placeOrder,
  setCount,
  signIn,
  SoldOutError,
  withdraw,
} from 'rowlock/repositories'
import { expect } from 'vitest'
import type { TestDatabase } from '../database.js'
import { createTamperedClient, locksRowsOf, withoutLocks } from './tampered-client.js'
import {
  balanceOf,
  countOf,
  createCompany,
  createEvent,
  createQuota,
  createUser,
  createUsers,
  createWallet,
  createWorld,
  entriesOf,
  quotaOf,
  remainingOf,
  type World,
} from './world.js'

/**
 * One guard of one operation, with the row locks taken out: another session changes the row between the
 * operation's read and its write. Red when the guard is taken out.
 */
export interface GuardCheck {
  readonly title: string
  /** The read, as the operation sends it, after which the other session comes in. */
  readonly after: (sql: string) => boolean
  readonly check: (world: World, meddle: (sql: string) => void) => Promise<void>
}

/** Runs a check on a client whose statements are `rewritten`, on top of losing their locking clause. */
export async function runGuardCheck(database: TestDatabase, { after, check }: GuardCheck, rewrite = (sql: string) => sql): Promise<void> {
  let meddling: string | undefined
  const { prisma, pool } = createTamperedClient(
    database,
    {
      rewrite: (sql) => rewrite(withoutLocks(sql)),
      async after(sql) {
        if (meddling === undefined || !after(sql)) return
        const now = meddling
        meddling = undefined
        await database.sql.unsafe(now)
      },
    },
    { poolSize: 2 },
  )
  const world = createWorld(database, prisma, 'in a transaction')
  try {
    await check(world, (sql) => {
      meddling = sql
    })
    expect(meddling, 'what was still to be done behind the back').toBeUndefined()
  } finally {
    await Promise.all([prisma.$disconnect(), world.other.$disconnect()])
    if (!pool.ended && !pool.ending) await pool.end()
  }
}

const lockOf = (table: string) => (sql: string) => locksRowsOf(table, sql)
const readOfLastNumber = (sql: string) => sql.includes('"number" DESC')
const NOW = new Date('2026-03-01T12:00:00Z')

export const guardChecks: readonly GuardCheck[] = [
  {
    title: 'signIn is refused when its day has come into the table in the meantime',
    after: lockOf('ReadingQuota'),
    async check(world, meddle) {
      const userId = await createQuota(world, 25)
      meddle(`INSERT INTO "SignIn" ("userId", day, "signedInAt") VALUES (${userId}, '2026-03-01', now())`)
      await expect(world.run((db) => signIn(db, { userId, now: NOW }))).rejects.toBeInstanceOf(AlreadySignedInError)
      expect(await quotaOf(world, userId)).toBe(25)
    },
  },
  {
    title: 'a first signIn counts when the quota was opened in the meantime',
    after: lockOf('User'),
    async check(world, meddle) {
      const userId = await createUser(world)
      meddle(`INSERT INTO "ReadingQuota" ("userId", remaining) VALUES (${userId}, 7)`)
      await expect(world.run((db) => signIn(db, { userId }))).resolves.toMatchObject({ quota: { remaining: 32 } })
    },
  },
  {
    title: 'a first credit counts when the wallet was opened in the meantime',
    after: lockOf('User'),
    async check(world, meddle) {
      const userId = await createUser(world)
      meddle(`INSERT INTO "Wallet" ("userId", balance) VALUES (${userId}, 7)`)
      await world.run((db) => credit(db, { userId, amount: 5 }))
      expect(await balanceOf(world, userId)).toBe(12)
    },
  },
  {
    title: 'credit is refused when the wallet was filled up in the meantime',
    after: lockOf('Wallet'),
    async check(world, meddle) {
      const { userId } = await createWallet(world, 0)
      meddle(`UPDATE "Wallet" SET balance = 9999999999999999 WHERE "userId" = ${userId}`)
      await expect(world.run((db) => credit(db, { userId, amount: 1 }))).rejects.toBeInstanceOf(LimitExceededError)
    },
  },
  {
    title: 'withdraw is refused when the wallet was emptied in the meantime',
    after: lockOf('Wallet'),
    async check(world, meddle) {
      const { userId } = await createWallet(world, 10)
      meddle(`UPDATE "Wallet" SET balance = 9.99 WHERE "userId" = ${userId}`)
      await expect(world.run((db) => withdraw(db, { userId, amount: 10 }))).rejects.toBeInstanceOf(InsufficientBalanceError)
      expect(await balanceOf(world, userId)).toBe(9.99)
      expect(await entriesOf(world, userId)).toHaveLength(1)
    },
  },
  {
    title: 'incrementCount is refused when the count was raised in the meantime',
    after: lockOf('Company'),
    async check(world, meddle) {
      const company = await createCompany(world, 1)
      meddle(`UPDATE "Company" SET count = 2147483647 WHERE name = '${company}'`)
      await expect(world.run((db) => incrementCount(db, { company, count: 1 }))).rejects.toBeInstanceOf(LimitExceededError)
    },
  },
  {
    title: 'decrementCount is refused when the count was lowered in the meantime',
    after: lockOf('Company'),
    async check(world, meddle) {
      const company = await createCompany(world, 5)
      meddle(`UPDATE "Company" SET count = 2 WHERE name = '${company}'`)
      await expect(world.run((db) => decrementCount(db, { company, count: 3 }))).rejects.toBeInstanceOf(CountTooLowError)
      expect(await countOf(world, company)).toBe(2)
    },
  },
  {
    title: 'buyTicket is refused when the last ticket was sold in the meantime',
    after: lockOf('Event'),
    async check(world, meddle) {
      const [eventId, userId] = [await createEvent(world, { remaining: 1 }), await createUser(world)]
      meddle(`UPDATE "Event" SET remaining = 0 WHERE id = ${eventId}`)
      await expect(world.run((db) => buyTicket(db, { eventId, userId }))).rejects.toBeInstanceOf(SoldOutError)
      expect(await world.other.ticket.count({ where: { eventId } })).toBe(0)
    },
  },
  {
    title: 'buyAnyTicket takes the next seat when its own was sold in the meantime',
    after: lockOf('Ticket'),
    async check(world, meddle) {
      const [eventId, [first, userId]] = [await createEvent(world, { seats: 2 }), await createUsers(world, 2)]
      meddle(`UPDATE "Ticket" SET "userId" = ${first}, "soldAt" = now() WHERE "eventId" = ${eventId} AND seat = 1`)
      await expect(world.run((db) => buyAnyTicket(db, { eventId, userId: userId! }))).resolves.toMatchObject({ ticket: { seat: 2 } })
      expect(await world.other.ticket.findFirst({ where: { eventId, seat: 1 } })).toMatchObject({ userId: first })
    },
  },
  {
    title: 'placeOrder takes the next number when its own was taken in the meantime',
    after: readOfLastNumber,
    async check(world, meddle) {
      const userId = await createUser(world)
      meddle(`INSERT INTO "Order" (id, "userId", number, amount) VALUES ('theirs ${userId}', ${userId}, 1, 1)`)
      const { order } = await world.run((db) => placeOrder(db, { userId, orderId: `mine ${userId}`, amount: 1 }))
      expect(order.number).toBe(2)
    },
  },
  {
    title: 'placeOrder is refused when another user took its id in the meantime',
    after: readOfLastNumber,
    async check(world, meddle) {
      const [userId, other] = await createUsers(world, 2)
      meddle(`INSERT INTO "Order" (id, "userId", number, amount) VALUES ('ours ${userId}', ${other}, 1, 1)`)
      await expect(world.run((db) => placeOrder(db, { userId: userId!, orderId: `ours ${userId}`, amount: 1 }))).rejects.toBeInstanceOf(
        IdempotencyConflictError,
      )
    },
  },
]

/**
 * The writes that must not depend on what was read before, with the row locks taken out: red when one
 * writes a value worked out in JavaScript, or takes for granted that the row is still there.
 */
export const atomicChecks: readonly GuardCheck[] = [
  {
    title: 'signIn adds to the quota as it is when it writes',
    after: lockOf('ReadingQuota'),
    async check(world, meddle) {
      const userId = await createQuota(world, 10)
      meddle(`UPDATE "ReadingQuota" SET remaining = 20 WHERE "userId" = ${userId}`)
      await expect(world.run((db) => signIn(db, { userId }))).resolves.toMatchObject({ quota: { remaining: 45 } })
      expect(await world.other.readingQuotaChange.findFirst({ where: { userId } })).toMatchObject({ delta: 25, remaining: 45 })
    },
  },
  {
    title: 'credit adds to the balance as it is when it writes',
    after: lockOf('Wallet'),
    async check(world, meddle) {
      const { userId } = await createWallet(world, 10)
      meddle(`UPDATE "Wallet" SET balance = 20 WHERE "userId" = ${userId}`)
      const { balance, entry } = await world.run((db) => credit(db, { userId, amount: 5 }))
      expect([Number(balance), Number(entry.balance), await balanceOf(world, userId)]).toEqual([25, 25, 25])
    },
  },
  {
    title: 'withdraw takes from the balance as it is when it writes',
    after: lockOf('Wallet'),
    async check(world, meddle) {
      const { userId } = await createWallet(world, 10)
      meddle(`UPDATE "Wallet" SET balance = 20 WHERE "userId" = ${userId}`)
      const { balance, entry } = await world.run((db) => withdraw(db, { userId, amount: 5 }))
      expect([Number(balance), Number(entry.balance), await balanceOf(world, userId)]).toEqual([15, 15, 15])
    },
  },
  {
    title: 'setCount is refused when its company was deleted in the meantime',
    after: lockOf('Company'),
    async check(world, meddle) {
      const company = await createCompany(world, 1)
      meddle(`DELETE FROM "Company" WHERE name = '${company}'`)
      await expect(world.run((db) => setCount(db, { company, count: 2 }))).rejects.toBeInstanceOf(CompanyNotFoundError)
    },
  },
  {
    title: 'incrementCount adds to the count as it is when it writes',
    after: lockOf('Company'),
    async check(world, meddle) {
      const company = await createCompany(world, 1)
      meddle(`UPDATE "Company" SET count = 10 WHERE name = '${company}'`)
      await expect(world.run((db) => incrementCount(db, { company, count: 2 }))).resolves.toEqual({ company, count: 12 })
    },
  },
  {
    title: 'decrementCount takes from the count as it is when it writes',
    after: lockOf('Company'),
    async check(world, meddle) {
      const company = await createCompany(world, 5)
      meddle(`UPDATE "Company" SET count = 10 WHERE name = '${company}'`)
      await expect(world.run((db) => decrementCount(db, { company, count: 2 }))).resolves.toEqual({ company, count: 8 })
    },
  },
  {
    title: 'buyTicket takes from what remains when it writes',
    after: lockOf('Event'),
    async check(world, meddle) {
      const [eventId, userId] = [await createEvent(world, { remaining: 2 }), await createUser(world)]
      meddle(`UPDATE "Event" SET remaining = 9 WHERE id = ${eventId}`)
      await expect(world.run((db) => buyTicket(db, { eventId, userId }))).resolves.toMatchObject({ remaining: 8 })
      expect(await remainingOf(world, eventId)).toBe(8)
    },
  },
]
