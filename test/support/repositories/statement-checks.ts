import {
  AlreadySignedInError,
  buyAnyTicket,
  buyTicket,
  CompanyNotFoundError,
  CountTooLowError,
  credit,
  decrementCount,
  incrementCount,
  InsufficientBalanceError,
  LimitExceededError,
  placeOrder,
  setCount,
  signIn,
  SoldOutError,
  UserNotFoundError,
  withdraw,
} from 'rowlock/repositories'
import { expect } from 'vitest'
import type { TestClient } from '../client.js'
import { hold, settledOrBlocked } from './lock-checks.js'
import {
  createCompany,
  createEvent,
  createQuota,
  createUser,
  createUsers,
  createWallet,
  entriesOf,
  quotaOf,
  remainingOf,
  type World,
} from './world.js'

/** One clause of a statement that is an operation: red when it is taken out, or when any statement fails. */
export interface StatementCheck {
  readonly title: string
  /** What to take out of the statement, by what to put in its place. */
  readonly clauses: readonly (readonly [clause: RegExp, instead: string])[]
  readonly check: (world: World) => Promise<void>
}

const NOW = new Date('2026-03-01T12:00:00Z')

/** Another session does `meddle` and commits while the call waits for it. */
async function whileHeld<R>(world: World, meddle: string, call: (prisma: TestClient) => Promise<R>): Promise<R> {
  const holder = await hold(world, meddle)
  const result = call(world.prisma)
  result.catch(() => undefined)
  try {
    const [waiter] = await settledOrBlocked(world, result)
    expect(waiter?.blockedBy, 'the session that the call waits for').toEqual([holder.pid])
  } finally {
    await holder.commit()
    await Promise.allSettled([result])
  }
  return result
}

const guard = (condition: string): readonly [RegExp, string] => [new RegExp(` AND ${condition}`), ' AND true']

export const statementChecks: readonly StatementCheck[] = [
  {
    title: 'withdraw is refused when the holder has left too little',
    clauses: [guard('"w"."balance" >= \\$2::numeric')],
    async check(world) {
      const { userId } = await createWallet(world, 10)
      const empty = `UPDATE "Wallet" SET balance = 5 WHERE "userId" = ${userId} RETURNING 1`
      await expect(whileHeld(world, empty, (db) => withdraw(db, { userId, amount: 10 }))).rejects.toBeInstanceOf(InsufficientBalanceError)
      expect(await entriesOf(world, userId)).toHaveLength(1)
    },
  },
  {
    title: 'withdraw finds its key used, and fails in no statement',
    clauses: [guard('NOT EXISTS \\(.*? = \\$3\\)')],
    async check(world) {
      const { userId } = await createWallet(world, 10)
      const input = { userId, amount: 5, idempotencyKey: `withdraw ${userId}` }
      expect(await withdraw(world.prisma, input)).toEqual(await withdraw(world.prisma, input))
      expect(await entriesOf(world, userId)).toHaveLength(2)
    },
  },
  {
    title: 'credit is refused when the holder has filled the wallet',
    clauses: [guard('"w"."balance" <= 9999999999999999.99 - \\$2::numeric')],
    async check(world) {
      const { userId } = await createWallet(world, 10)
      const fill = `UPDATE "Wallet" SET balance = 9999999999999999 WHERE "userId" = ${userId} RETURNING 1`
      await expect(whileHeld(world, fill, (db) => credit(db, { userId, amount: 1 }))).rejects.toBeInstanceOf(LimitExceededError)
    },
  },
  {
    title: 'credit finds its key used, and fails in no statement',
    clauses: [guard('NOT EXISTS \\(.*? = \\$4\\)')],
    async check(world) {
      const { userId } = await createWallet(world, 10)
      const input = { userId, amount: 500, idempotencyKey: `credit ${userId}` }
      expect(await credit(world.prisma, input)).toEqual(await credit(world.prisma, input))
      expect(await entriesOf(world, userId)).toHaveLength(2)
    },
  },
  {
    title: 'setCount is refused when the holder has renamed the company',
    clauses: [[/"c"."name" = \$1/, `"c"."name" IN ($1, $1 || '!')`]],
    async check(world) {
      const company = await createCompany(world, 1)
      const rename = `UPDATE "Company" SET name = name || '!' WHERE name = '${company}' RETURNING 1`
      await expect(whileHeld(world, rename, (db) => setCount(db, { company, count: 2 }))).rejects.toBeInstanceOf(CompanyNotFoundError)
    },
  },
  {
    title: 'incrementCount is refused when the holder has left no room',
    clauses: [guard('"c"."count" <= 2147483647 - \\$2')],
    async check(world) {
      const company = await createCompany(world, 1)
      const fill = `UPDATE "Company" SET count = 2147483647 WHERE name = '${company}' RETURNING 1`
      await expect(whileHeld(world, fill, (db) => incrementCount(db, { company, count: 1 }))).rejects.toBeInstanceOf(LimitExceededError)
    },
  },
  {
    title: 'decrementCount is refused when the holder has left too little',
    clauses: [guard('"c"."count" >= \\$2')],
    async check(world) {
      const company = await createCompany(world, 5)
      const lower = `UPDATE "Company" SET count = 2 WHERE name = '${company}' RETURNING 1`
      await expect(whileHeld(world, lower, (db) => decrementCount(db, { company, count: 3 }))).rejects.toBeInstanceOf(CountTooLowError)
    },
  },
  {
    title: 'buyTicket is refused when the holder has taken the last one',
    clauses: [guard('"e"."remaining" >= 1')],
    async check(world) {
      const [eventId, userId] = [await createEvent(world, { remaining: 1 }), await createUser(world)]
      const sell = `UPDATE "Event" SET remaining = 0 WHERE id = ${eventId} RETURNING 1`
      await expect(whileHeld(world, sell, (db) => buyTicket(db, { eventId, userId }))).rejects.toBeInstanceOf(SoldOutError)
      expect(await world.other.ticket.count({ where: { eventId } })).toBe(0)
    },
  },
  {
    title: 'buyTicket waits for the deletion of its user before it locks the event, and fails in no statement',
    clauses: [[/ FOR KEY SHARE/, '']],
    async check(world) {
      const [eventId, userId] = [await createEvent(world, { remaining: 1 }), await createUser(world)]
      const remove = `DELETE FROM "User" WHERE id = ${userId} RETURNING 1`
      await expect(whileHeld(world, remove, (db) => buyTicket(db, { eventId, userId }))).rejects.toBeInstanceOf(UserNotFoundError)
      expect(await remainingOf(world, eventId)).toBe(1)
    },
  },
  {
    title: 'buyTicket of nobody takes nothing, and fails in no statement',
    clauses: [guard('EXISTS \\(SELECT FROM "user"\\)')],
    async check(world) {
      const eventId = await createEvent(world, { remaining: 1 })
      await expect(buyTicket(world.prisma, { eventId, userId: 999_999 })).rejects.toBeInstanceOf(UserNotFoundError)
    },
  },
  {
    title: 'buyAnyTicket passes by a seat in other hands',
    clauses: [[/ FOR NO KEY UPDATE SKIP LOCKED/, '']],
    async check(world) {
      const [eventId, userId] = [await createEvent(world, { seats: 2 }), await createUser(world)]
      const holder = await hold(world, `SELECT 1 FROM "Ticket" WHERE "eventId" = ${eventId} AND seat = 1 FOR NO KEY UPDATE`)
      const result = buyAnyTicket(world.prisma, { eventId, userId })
      const waiting = await settledOrBlocked(world, result).finally(() => holder.rollback())
      expect(await result).toMatchObject({ ticket: { seat: 2, userId } })
      expect(waiting).toEqual([])
    },
  },
  {
    title: 'buyAnyTicket sells no seat twice',
    // Each of the two does for the other.
    clauses: [
      [/ FOR NO KEY UPDATE SKIP LOCKED/, ''],
      [/ AND "t"."userId" IS NULL/, ''],
    ],
    async check(world) {
      const [eventId, [buyer, userId]] = [await createEvent(world, { seats: 1 }), await createUsers(world, 2)]
      const sell = `UPDATE "Ticket" SET "userId" = ${buyer}, "soldAt" = now() WHERE "eventId" = ${eventId} RETURNING 1`
      await expect(whileHeld(world, sell, (db) => buyAnyTicket(db, { eventId, userId: userId! }))).rejects.toBeInstanceOf(SoldOutError)
      expect(await world.other.ticket.findFirst({ where: { eventId } })).toMatchObject({ userId: buyer })
    },
  },
  {
    title: 'buyAnyTicket of nobody takes nothing, and fails in no statement',
    clauses: [guard('EXISTS \\(SELECT FROM "user"\\)')],
    async check(world) {
      const eventId = await createEvent(world, { seats: 1 })
      await expect(buyAnyTicket(world.prisma, { eventId, userId: 999_999 })).rejects.toBeInstanceOf(UserNotFoundError)
    },
  },
  {
    title: 'buyAnyTicket waits for the deletion of its user, and fails in no statement',
    clauses: [[/ FOR KEY SHARE/, '']],
    async check(world) {
      const [eventId, userId] = [await createEvent(world, { seats: 1 }), await createUser(world)]
      const remove = `DELETE FROM "User" WHERE id = ${userId} RETURNING 1`
      await expect(whileHeld(world, remove, (db) => buyAnyTicket(db, { eventId, userId }))).rejects.toBeInstanceOf(UserNotFoundError)
    },
  },
  {
    title: 'placeOrder finds the number of the order that it has waited for taken, and fails in no statement',
    clauses: [[/ON CONFLICT DO NOTHING/, '']],
    async check(world) {
      const userId = await createUser(world)
      const theirs = `WITH locked AS MATERIALIZED (SELECT id FROM "User" WHERE id = ${userId} FOR NO KEY UPDATE)
        INSERT INTO "Order" (id, "userId", number, amount) SELECT 'theirs ${userId}', id, 1, 1 FROM locked RETURNING 1`
      const { order } = await whileHeld(world, theirs, (db) => placeOrder(db, { userId, orderId: `mine ${userId}`, amount: 1 }))
      expect(order.number).toBe(2)
    },
  },
  {
    title: 'placeOrder waits for the deletion of its user, and fails in no statement',
    clauses: [[/ FOR NO KEY UPDATE/, '']],
    async check(world) {
      const userId = await createUser(world)
      const remove = `DELETE FROM "User" WHERE id = ${userId} RETURNING 1`
      const order = whileHeld(world, remove, (db) => placeOrder(db, { userId, orderId: `of nobody ${userId}`, amount: 1 }))
      await expect(order).rejects.toBeInstanceOf(UserNotFoundError)
    },
  },
  {
    title: 'placeOrder is refused after the last number, and fails in no statement',
    clauses: [[/ WHERE "last"."number" < 2147483647/, '']],
    async check(world) {
      const userId = await createUser(world)
      await world.other.order.create({ data: { id: `last ${userId}`, userId, number: 2_147_483_647, amount: 1 } })
      await expect(placeOrder(world.prisma, { userId, orderId: `more ${userId}`, amount: 1 })).rejects.toBeInstanceOf(LimitExceededError)
    },
  },
  {
    title: 'signIn finds the day that it has waited for taken, and fails in no statement',
    clauses: [[/ON CONFLICT DO NOTHING/, '']],
    async check(world) {
      const userId = await createQuota(world, 25)
      const theirs = `WITH changed AS (UPDATE "ReadingQuota" SET remaining = 50 WHERE "userId" = ${userId} RETURNING 1)
        INSERT INTO "SignIn" ("userId", day, "signedInAt") SELECT ${userId}, '2026-03-01', now() FROM changed RETURNING 1`
      await expect(whileHeld(world, theirs, (db) => signIn(db, { userId, now: NOW }))).rejects.toBeInstanceOf(AlreadySignedInError)
      expect(await quotaOf(world, userId)).toBe(50)
    },
  },
  {
    title: 'signIn is refused when the holder has filled the quota, and fails in no statement',
    clauses: [[/ FOR NO KEY UPDATE/, '']],
    async check(world) {
      const userId = await createQuota(world, 25)
      const fill = `UPDATE "ReadingQuota" SET remaining = 2147483640 WHERE "userId" = ${userId} RETURNING 1`
      await expect(whileHeld(world, fill, (db) => signIn(db, { userId, now: NOW }))).rejects.toBeInstanceOf(LimitExceededError)
      expect(await world.other.signIn.count({ where: { userId } })).toBe(0)
    },
  },
  {
    title: 'signIn is refused when the quota is full, and fails in no statement',
    clauses: [guard('"q"."remaining" <= 2147483647 - \\$5::int')],
    async check(world) {
      const userId = await createQuota(world, 2_147_483_640)
      await expect(signIn(world.prisma, { userId, now: NOW })).rejects.toBeInstanceOf(LimitExceededError)
    },
  },
]

/** Takes the clauses out of the statements that are operations; the transactions' statements stay as they are. */
export const withoutClauses =
  ({ clauses }: StatementCheck) =>
  (sql: string): string =>
    sql.includes(`set_config('lock_timeout', '4750ms', true)`)
      ? clauses.reduce((rewritten, [clause, instead]) => rewritten.replace(clause, instead), sql)
      : sql
