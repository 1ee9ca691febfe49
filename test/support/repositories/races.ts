import { expect } from 'vitest'
import { checkLedger } from '../../../src/harness/check-ledger.js'
import {
  balanceOf,
  countOf,
  createCompany,
  createEvent,
  createUser,
  createUsers,
  createWallet,
  quotaOf,
  remainingOf,
  type World,
} from './world.js'

type Operation<Input> = (input: Input) => Promise<unknown>

/** What a race was lost with: the errors of the calls that failed. */
export interface RaceOutcome {
  readonly errors: readonly unknown[]
}

/** What a race says when the database or the number of successes is wrong, and not the set-up. */
export const LOST = /: expected|ledger is not consistent/

/** Starts all calls at once, at most as many as the pool has connections: a wait for one may end in an error. The outcome holds only what the database cannot tell. */
async function race(calls: readonly (() => Promise<unknown>)[], successes: number): Promise<RaceOutcome> {
  const results = await Promise.allSettled(calls.map((call) => call()))
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
  expect(results.length - errors.length, 'calls that succeeded').toBe(successes)
  return { errors }
}

const times = (count: number, call: (index: number) => Promise<unknown>) => Array.from({ length: count }, (_, index) => () => call(index))

/** 6 sign-ins of one user: one gets in, one reward. */
export async function raceSignIns(world: World, signIn: Operation<{ userId: number }>): Promise<RaceOutcome> {
  const userId = await createUser(world)
  const results = await Promise.allSettled(times(6, () => signIn({ userId })).map((call) => call()))
  expect(await quotaOf(world, userId), 'quota').toBe(25)
  expect(await world.other.readingQuotaChange.count({ where: { userId } }), 'changes in the log').toBe(1)
  expect(await world.other.signIn.count({ where: { userId } }), 'sign-ins').toBe(1)
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
  expect(errors).toHaveLength(5)
  return { errors }
}

/** 10 first credits of one user: all count. */
export async function raceFirstCredits(world: World, credit: Operation<{ userId: number; amount: number }>): Promise<void> {
  const userId = await createUser(world)
  await race(
    times(10, () => credit({ userId, amount: 100 })),
    10,
  )
  expect(await balanceOf(world, userId), 'balance').toBe(1000)
  expect(await world.other.coupon.count({ where: { wallet: { userId } } }), 'coupons').toBe(10)
  await checkLedger(world.other)
}

/** 16 withdrawals of 10 from a wallet of 100: ten get their money. */
export async function raceWithdrawals(world: World, withdraw: Operation<{ userId: number; amount: number }>): Promise<RaceOutcome> {
  const { userId, walletId } = await createWallet(world, 100)
  const outcome = await race(
    times(16, () => withdraw({ userId, amount: 10 })),
    10,
  )
  expect(await balanceOf(world, userId), 'balance').toBe(0)
  await checkLedger(world.other, { walletId, successes: 10, kind: 'WITHDRAWAL' })
  return outcome
}

export interface CountOperations {
  readonly increment: Operation<{ company: string; count: number }>
  readonly decrement: Operation<{ company: string; count: number }>
}

/** 8 increments by 3 and 8 decrements by 2 of a count of 100: all count. */
export async function raceCounts(world: World, { increment, decrement }: CountOperations): Promise<void> {
  const company = await createCompany(world, 100)
  await race([...times(8, () => increment({ company, count: 3 })), ...times(8, () => decrement({ company, count: 2 }))], 16)
  expect(await countOf(world, company), 'count').toBe(108)
}

/** 12 decrements of a count of 5: five count. */
export async function raceToZero(world: World, decrement: CountOperations['decrement']): Promise<RaceOutcome> {
  const company = await createCompany(world, 5)
  const outcome = await race(
    times(12, () => decrement({ company, count: 1 })),
    5,
  )
  expect(await countOf(world, company), 'count').toBe(0)
  return outcome
}

type Buy = Operation<{ eventId: number; userId: number }>

/** 15 buyers of 3 tickets: three get one. */
export async function raceTickets(world: World, buyTicket: Buy): Promise<RaceOutcome> {
  const [eventId, users] = [await createEvent(world, { remaining: 3 }), await createUsers(world, 15)]
  const outcome = await race(
    times(15, (buyer) => buyTicket({ eventId, userId: users[buyer]! })),
    3,
  )
  expect(await remainingOf(world, eventId), 'remaining').toBe(0)
  expect(await world.other.ticket.count({ where: { eventId } }), 'tickets').toBe(3)
  return outcome
}

/** `buyers` of 8 seats: every seat is sold to one of those who were told so. */
export async function raceSeats(world: World, buyAnyTicket: Buy, buyers = 8): Promise<RaceOutcome> {
  const [eventId, users] = [await createEvent(world, { seats: 8 }), await createUsers(world, buyers)]
  const outcome = await race(
    times(buyers, (buyer) => buyAnyTicket({ eventId, userId: users[buyer]! })),
    8,
  )
  const owners = await world.other.ticket.findMany({ where: { eventId, userId: { not: null } }, distinct: ['userId'] })
  expect(owners, 'seats of different owners').toHaveLength(8)
  return outcome
}

/** 5 orders each of 2 users: numbers 1 to 5 each. */
export async function raceOrders(world: World, placeOrder: Operation<{ userId: number; orderId: string; amount: number }>): Promise<void> {
  const users = await createUsers(world, 2)
  const orders = users.flatMap((userId) => times(5, (index) => placeOrder({ userId, orderId: `${userId}-${index}`, amount: 10 })))
  await race(orders, 10)
  for (const userId of users) {
    const placed = await world.other.order.findMany({ where: { userId }, orderBy: { number: 'asc' } })
    expect(
      placed.map(({ number }) => number),
      'numbers',
    ).toEqual([1, 2, 3, 4, 5])
  }
}
