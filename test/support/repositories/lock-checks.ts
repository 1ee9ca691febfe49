import type postgres from 'postgres'
import {
  buyAnyTicket,
  buyTicket,
  credit,
  decrementCount,
  incrementCount,
  placeOrder,
  setCount,
  signIn,
  SoldOutError,
  UserNotFoundError,
  withdraw,
} from 'rowlock/repositories'
import { expect } from 'vitest'
import { type BlockedSession, waitUntil } from '../database.js'
import { held, type HeldTransaction } from '../held.js'
import { createCompany, createEvent, createQuota, createUser, createUsers, createWallet, type World } from './world.js'

/** One row lock of one operation: red when that lock is taken out. */
export interface LockCheck {
  readonly title: string
  readonly check: (world: World) => Promise<void>
}

/** Holds what `row` selects, with its locking clause, in another session. */
export function hold({ other }: World, row: string): Promise<HeldTransaction> {
  return held(other, (tx) => tx.$queryRawUnsafe(row))
}

/**
 * Checks that a call waits for a row that another session holds, and that it has written nothing yet when
 * it does. Without its row lock it would come as far as its first write, and wait there or not at all.
 */
export async function waitsBeforeWriting(world: World, row: string, call: () => Promise<unknown>): Promise<HeldWait> {
  const holder = await hold(world, row)
  const result = call()
  result.catch(() => undefined)
  try {
    const [waiter] = await settledOrBlocked(world, result)
    expect(waiter?.blockedBy, 'the session that the call waits for').toEqual([holder.pid])
    expect(await tablesWritten(world.sql, waiter!.pid), 'tables written before the wait').toEqual([])
    return { holder, result }
  } catch (error) {
    await holder.rollback()
    await Promise.allSettled([result])
    throw error
  }
}

export interface HeldWait {
  readonly holder: HeldTransaction
  readonly result: Promise<unknown>
}

/** The sessions that wait for locks as soon as there are any, or none once the call is done. */
export async function settledOrBlocked({ sql }: World, call: Promise<unknown>): Promise<BlockedSession[]> {
  let settled = false
  const settle = () => {
    settled = true
  }
  call.then(settle, settle)
  return waitUntil('the call is done or waits for a lock', async () => {
    const done = settled
    const sessions = await sql<BlockedSession[]>`
      SELECT pid, pg_blocking_pids(pid) AS "blockedBy", query FROM pg_sleep(0.001), pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock' AND cardinality(pg_blocking_pids(pid)) > 0`
    return done || sessions.length > 0 ? [...sessions] : undefined
  })
}

/** An INSERT, UPDATE or DELETE holds this lock on its table until the transaction ends. */
async function tablesWritten(sql: postgres.Sql, pid: number): Promise<string[]> {
  const locks = await sql<{ table: string }[]>`
    SELECT relname AS "table" FROM pg_locks JOIN pg_class ON pg_class.oid = relation
    WHERE pid = ${pid} AND mode = 'RowExclusiveLock' AND relkind = 'r' ORDER BY 1`
  return locks.map(({ table }) => table)
}

async function waits(world: World, row: string, call: () => Promise<unknown>): Promise<void> {
  const { holder, result } = await waitsBeforeWriting(world, row, call)
  await holder.commit()
  await result
}

const forNoKeyUpdate = (table: string, where: string) => `SELECT 1 FROM "${table}" WHERE ${where} FOR NO KEY UPDATE`

/** A user about to be deleted: the call must wait for the outcome, and then say that the user is gone. */
async function waitsForDeletion(world: World, userId: number, call: () => Promise<unknown>): Promise<void> {
  const { holder, result } = await waitsBeforeWriting(world, `DELETE FROM "User" WHERE id = ${userId} RETURNING id`, call)
  await holder.commit()
  await expect(result).rejects.toBeInstanceOf(UserNotFoundError)
}

export const lockChecks: readonly LockCheck[] = [
  {
    title: 'signIn waits for the quota of its user before it writes',
    async check(world) {
      const userId = await createQuota(world)
      await waits(world, forNoKeyUpdate('ReadingQuota', `"userId" = ${userId}`), () => world.run((db) => signIn(db, { userId })))
    },
  },
  {
    title: 'a first signIn waits for the deletion of its user before it writes',
    async check(world) {
      const userId = await createUser(world)
      await waitsForDeletion(world, userId, () => world.run((db) => signIn(db, { userId })))
    },
  },
  {
    title: 'credit waits for the wallet before it writes',
    async check(world) {
      const { userId } = await createWallet(world, 0)
      await waits(world, forNoKeyUpdate('Wallet', `"userId" = ${userId}`), () => world.run((db) => credit(db, { userId, amount: 1 })))
    },
  },
  {
    title: 'a first credit waits for the deletion of its user before it writes',
    async check(world) {
      const userId = await createUser(world)
      await waitsForDeletion(world, userId, () => world.run((db) => credit(db, { userId, amount: 1 })))
    },
  },
  {
    title: 'withdraw waits for the wallet before it writes',
    async check(world) {
      const { userId } = await createWallet(world, 10)
      await waits(world, forNoKeyUpdate('Wallet', `"userId" = ${userId}`), () => world.run((db) => withdraw(db, { userId, amount: 1 })))
    },
  },
  ...Object.entries({ setCount, incrementCount, decrementCount }).map(([name, operation]) => ({
    title: `${name} waits for the company before it writes`,
    async check(world: World) {
      const company = await createCompany(world, 10)
      await waits(world, forNoKeyUpdate('Company', `name = '${company}'`), () => world.run((db) => operation(db, { company, count: 1 })))
    },
  })),
  {
    title: 'buyTicket waits for the event before it writes',
    async check(world) {
      const [eventId, userId] = [await createEvent(world, { remaining: 1 }), await createUser(world)]
      await waits(world, forNoKeyUpdate('Event', `id = ${eventId}`), () => world.run((db) => buyTicket(db, { eventId, userId })))
    },
  },
  {
    title: 'buyTicket waits for the deletion of its user before it writes',
    async check(world) {
      const [eventId, userId] = [await createEvent(world, { remaining: 1 }), await createUser(world)]
      await waitsForDeletion(world, userId, () => world.run((db) => buyTicket(db, { eventId, userId })))
    },
  },
  {
    title: 'buyAnyTicket waits for the deletion of its user before it writes',
    async check(world) {
      const [eventId, userId] = [await createEvent(world, { seats: 1 }), await createUser(world)]
      await waitsForDeletion(world, userId, () => world.run((db) => buyAnyTicket(db, { eventId, userId })))
    },
  },
  {
    title: 'buyAnyTicket passes by a seat that another buyer holds, without waiting',
    async check(world) {
      const [eventId, userId] = [await createEvent(world, { seats: 2 }), await createUser(world)]
      const holder = await hold(world, forNoKeyUpdate('Ticket', `"eventId" = ${eventId} AND seat = 1`))
      const result = world.run((db) => buyAnyTicket(db, { eventId, userId }))
      try {
        expect(await settledOrBlocked(world, result)).toEqual([])
        expect(await result).toMatchObject({ ticket: { seat: 2, userId } })
      } finally {
        await holder.rollback()
        await Promise.allSettled([result])
      }
    },
  },
  {
    title: 'buyAnyTicket waits for the last seat before it writes, and says sold out once that is sold',
    async check(world) {
      const [eventId, [buyer, userId]] = [await createEvent(world, { seats: 1 }), await createUsers(world, 2)]
      const sell = `UPDATE "Ticket" SET "userId" = ${buyer}, "soldAt" = now() WHERE "eventId" = ${eventId} RETURNING id`
      const { holder, result } = await waitsBeforeWriting(world, sell, () =>
        world.run((db) => buyAnyTicket(db, { eventId, userId: userId! })),
      )
      await holder.commit()
      await expect(result).rejects.toBeInstanceOf(SoldOutError)
    },
  },
  {
    title: 'buyAnyTicket waits for the last seat before it writes, and gets it when its sale is undone',
    async check(world) {
      const [eventId, [buyer, userId]] = [await createEvent(world, { seats: 1 }), await createUsers(world, 2)]
      const sell = `UPDATE "Ticket" SET "userId" = ${buyer}, "soldAt" = now() WHERE "eventId" = ${eventId} RETURNING id`
      const { holder, result } = await waitsBeforeWriting(world, sell, () =>
        world.run((db) => buyAnyTicket(db, { eventId, userId: userId! })),
      )
      await holder.rollback()
      await expect(result).resolves.toMatchObject({ ticket: { seat: 1, userId } })
    },
  },
  {
    title: 'placeOrder waits for its user before it writes',
    async check(world) {
      const userId = await createUser(world)
      await waits(world, forNoKeyUpdate('User', `id = ${userId}`), () =>
        world.run((db) => placeOrder(db, { userId, orderId: `order of ${userId}`, amount: 1 })),
      )
    },
  },
]
