import assert from 'node:assert/strict'
import {
  AlreadySignedInError,
  buyAnyTicket,
  buyTicket,
  CountTooLowError,
  credit,
  decrementCount,
  findTickets,
  incrementCount,
  InsufficientBalanceError,
  placeOrder,
  setCount,
  signIn,
  SoldOutError,
  withdraw,
} from 'rowlock/repositories'
import { checkLedger, type InvariantContext } from 'rowlock/testing'
import type { TestClient } from '../../support/client.js'
import {
  createCompany,
  createEvent,
  createUsers,
  asCode,
  createWallet,
  fulfilled,
  readCount,
  refusedOnlyWith,
  repeated,
  type Scenario,
  valuesOf,
} from './scenario.js'

/** One or two functions of the repositories on the same rows. */
export interface RepositoryScenario extends Scenario<TestClient> {
  /** False when the operations never wait for each other. Default: true. */
  readonly waits?: false
  /** False when what is left names rows by generated numbers, which no two runs share. Default: true. */
  readonly comparable?: false
  /** With how many preemptions at most three of them are explored, where all schedules are too many. Default: all. */
  readonly threeWith?: number
}

type Outcomes = InvariantContext['outcomes']
type Many = 2 | 3

const NOW = new Date('2026-03-01T12:00:00Z')

/** Every function against itself. */
export const againstThemselves = (actors: Many): readonly RepositoryScenario[] => [
  {
    title: 'signIn opens the quota and rewards once',
    setup: createUsers,
    actors: repeated(actors, (prisma) => signIn(prisma, { userId: 1, now: NOW })),
    invariant: rewardedOnce(25),
    threeWith: 1,
  },
  {
    title: 'signIn rewards once',
    setup: createQuota,
    actors: repeated(actors, (prisma) => signIn(prisma, { userId: 1, now: NOW })),
    invariant: rewardedOnce(32),
  },
  {
    title: 'credit adds every amount',
    setup: (prisma) => createWallet(prisma, 100),
    actors: repeated(actors, (prisma, actor) => credit(prisma, { userId: 1, amount: 100 * actor })),
    invariant: async (prisma, { outcomes }) => {
      refusedOnlyWith(outcomes)
      const { balance } = await checkLedger(prisma, { kind: 'CREDIT', successes: 1 + actors })
      assert.equal(balance, actors === 2 ? '400.00' : '700.00')
      assert.equal(await prisma.coupon.count(), actors)
    },
  },
  {
    title: 'credit opens the wallet once',
    setup: createUsers,
    actors: repeated(actors, (prisma) => credit(prisma, { userId: 1, amount: 10 })),
    invariant: async (prisma, { outcomes }) => {
      refusedOnlyWith(outcomes)
      assert.equal((await checkLedger(prisma, { kind: 'CREDIT', successes: actors })).balance, `${10 * actors}.00`)
    },
    threeWith: 1,
  },
  {
    title: 'withdraw never overdraws, and refuses with the balance that stands in its way',
    setup: (prisma) => createWallet(prisma, 100),
    actors: repeated(actors, (prisma) => withdraw(prisma, { userId: 1, amount: 60 })),
    invariant: async (prisma, { outcomes }) => {
      const refusals = refusedOnlyWith(outcomes, InsufficientBalanceError)
      assert.deepEqual(refusals.map(balanceOf), Array(actors - 1).fill('40.00'), 'reported balances')
      assert.equal((await checkLedger(prisma, { kind: 'WITHDRAWAL', successes: 1 })).balance, '40.00')
    },
  },
  {
    title: 'setCount sets one of the counts',
    setup: (prisma) => createCompany(prisma, 0),
    actors: repeated(actors, (prisma, actor) => setCount(prisma, { company: 'Acme', count: 10 * actor })),
    invariant: async (prisma, { outcomes }) => {
      refusedOnlyWith(outcomes)
      assert.deepEqual(countsOf(outcomes), [10, 20, 30].slice(0, actors))
      assert.equal([10, 20, 30].includes(await readCount(prisma)), true)
    },
  },
  {
    title: 'incrementCount counts every call, without gaps',
    setup: (prisma) => createCompany(prisma, 5),
    actors: repeated(actors, (prisma) => incrementCount(prisma, { company: 'Acme', count: 1 })),
    invariant: async (_, { outcomes }) => {
      refusedOnlyWith(outcomes)
      assert.deepEqual(countsOf(outcomes), [6, 7, 8].slice(0, actors))
    },
  },
  {
    title: 'decrementCount takes no more than there is, and refuses with the count that is left',
    setup: (prisma) => createCompany(prisma, 5),
    actors: repeated(actors, (prisma) => decrementCount(prisma, { company: 'Acme', count: 3 })),
    invariant: async (prisma, { outcomes }) => {
      const refusals = refusedOnlyWith(outcomes, CountTooLowError)
      assert.deepEqual(
        refusals.map(({ count }) => count),
        Array(actors - 1).fill(2),
        'reported counts',
      )
      assert.equal(await readCount(prisma), 2)
    },
  },
  {
    title: 'buyTicket sells the last ticket once',
    setup: (prisma) => createEvent(prisma, { remaining: 1 }),
    actors: repeated(actors, (prisma, userId) => buyTicket(prisma, { eventId: 1, userId })),
    invariant: async (prisma, { outcomes }) => {
      assert.equal(refusedOnlyWith(outcomes, SoldOutError).length, actors - 1)
      assert.equal(await prisma.ticket.count(), 1)
    },
    threeWith: 1,
  },
  {
    title: 'buyAnyTicket sells the last seat once',
    setup: (prisma) => createEvent(prisma, { seats: 1 }),
    actors: repeated(actors, (prisma, userId) => buyAnyTicket(prisma, { eventId: 1, userId })),
    invariant: async (_, { outcomes }) => assert.equal(refusedOnlyWith(outcomes, SoldOutError).length, actors - 1),
    threeWith: 1,
  },
  {
    title: 'buyAnyTicket sells a seat to every buyer while there are enough',
    setup: (prisma) => createEvent(prisma, { seats: actors }),
    actors: repeated(actors, (prisma, userId) => buyAnyTicket(prisma, { eventId: 1, userId })),
    invariant: async (_, { outcomes }) => {
      refusedOnlyWith(outcomes)
      const seats = valuesOf(outcomes).map((value) => (value as Awaited<ReturnType<typeof buyAnyTicket>>).ticket.seat)
      assert.deepEqual(seats.sort(), [1, 2, 3].slice(0, actors))
    },
    waits: false,
    threeWith: 1,
  },
  {
    title: 'placeOrder numbers the orders without gaps',
    setup: createUsers,
    actors: repeated(actors, (prisma, order) => placeOrder(prisma, { userId: 1, orderId: `order ${order}`, amount: 10 })),
    invariant: async (_, { outcomes }) => {
      refusedOnlyWith(outcomes)
      assert.deepEqual(numbersOf(outcomes), [1, 2, 3].slice(0, actors))
    },
  },
  {
    title: 'placeOrder places the same order once',
    setup: createUsers,
    actors: repeated(actors, (prisma) => placeOrder(prisma, { userId: 1, orderId: 'order', amount: 10 })),
    invariant: async (prisma, { outcomes }) => {
      refusedOnlyWith(outcomes)
      assert.deepEqual(numbersOf(outcomes), Array(actors).fill(1))
      assert.equal(await prisma.order.count(), 1)
    },
  },
  {
    title: 'credit with the same key is done once, and everyone gets its result',
    setup: (prisma) => createWallet(prisma, 100),
    actors: repeated(actors, (prisma) => credit(prisma, { userId: 1, amount: 10, idempotencyKey: 'key' })),
    invariant: doneOnce('110.00'),
    comparable: false,
  },
  {
    title: 'withdraw with the same key is done once, and everyone gets its result',
    setup: (prisma) => createWallet(prisma, 100),
    actors: repeated(actors, (prisma) => withdraw(prisma, { userId: 1, amount: 10, idempotencyKey: 'key' })),
    invariant: doneOnce('90.00'),
    comparable: false,
  },
]

/** Different functions on the same rows. */
export const againstOthers: readonly RepositoryScenario[] = [
  {
    title: 'withdraw with a credit that makes it possible',
    setup: (prisma) => createWallet(prisma, 50),
    actors: {
      withdraw: (prisma) => withdraw(prisma, { userId: 1, amount: 60 }),
      credit: (prisma) => credit(prisma, { userId: 1, amount: 20 }),
    },
    invariant: async (prisma, { outcomes }) => {
      const refusals = refusedOnlyWith(outcomes, InsufficientBalanceError)
      assert.deepEqual(
        refusals.map(balanceOf),
        refusals.map(() => '50.00'),
        'reported balances',
      )
      assert.equal((await checkLedger(prisma)).balance, refusals.length === 0 ? '10.00' : '70.00')
    },
  },
  {
    title: 'withdraw with the first credit',
    setup: createUsers,
    actors: {
      withdraw: (prisma) => withdraw(prisma, { userId: 1, amount: 10 }).catch(asCode),
      credit: (prisma) => credit(prisma, { userId: 1, amount: 20 }),
    },
    invariant: async (prisma, { outcomes }) => {
      refusedOnlyWith(outcomes)
      const refused = valuesOf(outcomes).includes('WALLET_NOT_FOUND')
      assert.equal((await checkLedger(prisma)).balance, refused ? '20.00' : '10.00')
    },
    waits: false,
  },
  {
    title: 'signIn with the signIn of the next day',
    setup: createQuota,
    actors: {
      today: (prisma) => signIn(prisma, { userId: 1, now: NOW }),
      tomorrow: (prisma) => signIn(prisma, { userId: 1, now: new Date('2026-03-02T12:00:00Z') }),
    },
    invariant: async (prisma, { outcomes }) => {
      refusedOnlyWith(outcomes)
      const changes = await prisma.readingQuotaChange.findMany({ orderBy: { id: 'asc' } })
      assert.deepEqual(
        changes.map(({ remaining }) => remaining),
        [32, 57],
        'the log',
      )
      assert.equal(await readQuota(prisma), 57)
    },
  },
  {
    title: 'setCount with incrementCount',
    setup: (prisma) => createCompany(prisma, 5),
    actors: {
      set: (prisma) => setCount(prisma, { company: 'Acme', count: 10 }),
      increment: (prisma) => incrementCount(prisma, { company: 'Acme', count: 1 }),
    },
    invariant: async (prisma, { outcomes }) => {
      refusedOnlyWith(outcomes)
      const [set, increment] = [outcomes['set'], outcomes['increment']].map(
        (outcome) => (outcome as { value: { count: number } }).value.count,
      )
      assert.deepEqual([set, increment, await readCount(prisma)], increment === 6 ? [10, 6, 10] : [10, 11, 11])
    },
  },
  {
    title: 'decrementCount with an incrementCount that makes it possible',
    setup: (prisma) => createCompany(prisma, 1),
    actors: {
      decrement: (prisma) => decrementCount(prisma, { company: 'Acme', count: 3 }),
      increment: (prisma) => incrementCount(prisma, { company: 'Acme', count: 2 }),
    },
    invariant: async (prisma, { outcomes }) => {
      const refusals = refusedOnlyWith(outcomes, CountTooLowError)
      assert.deepEqual(
        refusals.map(({ count }) => count),
        refusals.map(() => 1),
        'reported counts',
      )
      assert.equal(await readCount(prisma), refusals.length === 0 ? 0 : 3)
    },
  },
  {
    title: 'buyTicket with findTickets',
    setup: (prisma) => createEvent(prisma, { remaining: 1, seats: 1 }),
    actors: {
      buy: (prisma) => buyTicket(prisma, { eventId: 1, userId: 1 }),
      find: (prisma) => findTickets(prisma, { eventId: 1 }),
    },
    invariant: async (prisma, { outcomes }) => {
      refusedOnlyWith(outcomes)
      const { remaining, seats } = (outcomes['find'] as { value: Awaited<ReturnType<typeof findTickets>> }).value
      assert.equal(seats.length, 1)
      assert.equal([0, 1].includes(remaining), true)
      assert.equal(await prisma.ticket.count({ where: { userId: 1 } }), 1)
    },
    waits: false,
  },
  {
    title: 'buyAnyTicket with findTickets',
    setup: (prisma) => createEvent(prisma, { seats: 1 }),
    actors: {
      buy: (prisma) => buyAnyTicket(prisma, { eventId: 1, userId: 1 }),
      find: (prisma) => findTickets(prisma, { eventId: 1 }),
    },
    invariant: async (_, { outcomes }) => void refusedOnlyWith(outcomes),
    waits: false,
  },
  {
    title: 'buyTicket with buyAnyTicket for the same event',
    setup: (prisma) => createEvent(prisma, { remaining: 1, seats: 1 }),
    actors: {
      ticket: (prisma) => buyTicket(prisma, { eventId: 1, userId: 1 }),
      seat: (prisma) => buyAnyTicket(prisma, { eventId: 1, userId: 2 }),
    },
    invariant: async (prisma, { outcomes }) => {
      refusedOnlyWith(outcomes)
      assert.equal(await prisma.ticket.count({ where: { NOT: { userId: null } } }), 2)
    },
    waits: false,
  },
  {
    title: 'placeOrder with the first credit of the same user',
    setup: createUsers,
    actors: {
      order: (prisma) => placeOrder(prisma, { userId: 1, orderId: 'order', amount: 10 }),
      credit: (prisma) => credit(prisma, { userId: 1, amount: 10 }),
    },
    invariant: async (prisma, { outcomes }) => {
      refusedOnlyWith(outcomes)
      assert.equal((await checkLedger(prisma)).balance, '10.00')
    },
    waits: false,
  },
  {
    title: 'placeOrder of one order id by two users',
    setup: createUsers,
    actors: repeated(2, (prisma, userId) => placeOrder(prisma, { userId, orderId: 'order', amount: 10 }).catch(asCode)),
    invariant: async (prisma, { outcomes }) => {
      refusedOnlyWith(outcomes)
      assert.equal(valuesOf(outcomes).filter((value) => value === 'IDEMPOTENCY_CONFLICT').length, 1)
      assert.equal(await prisma.order.count(), 1)
    },
  },
]

async function createQuota(prisma: TestClient): Promise<void> {
  await createUsers(prisma)
  await prisma.readingQuota.create({ data: { userId: 1, remaining: 7 } })
}

const readQuota = async (prisma: TestClient) => (await prisma.readingQuota.findUnique({ where: { userId: 1 } }))?.remaining

function rewardedOnce(remaining: number): RepositoryScenario['invariant'] {
  return async (prisma, { outcomes }) => {
    refusedOnlyWith(outcomes, AlreadySignedInError)
    assert.equal(fulfilled(outcomes), 1, 'sign-ins')
    assert.equal(await prisma.signIn.count(), 1)
    assert.equal(await prisma.readingQuotaChange.count(), 1)
    assert.equal(await readQuota(prisma), remaining)
  }
}

function doneOnce(balance: string): RepositoryScenario['invariant'] {
  return async (prisma, { outcomes }) => {
    refusedOnlyWith(outcomes)
    const [first, ...others] = valuesOf(outcomes)
    for (const other of others) assert.deepEqual(other, first)
    assert.deepEqual(await checkLedger(prisma), { wallets: 1, entries: 2, balance })
  }
}

const balanceOf = ({ balance }: InsufficientBalanceError) => balance.toFixed(2)
const countsOf = (outcomes: Outcomes) =>
  valuesOf(outcomes)
    .map((value) => (value as { count: number }).count)
    .sort((a, b) => a - b)
const numbersOf = (outcomes: Outcomes) =>
  valuesOf(outcomes)
    .map((value) => (value as Awaited<ReturnType<typeof placeOrder>>).order.number)
    .sort((a, b) => a - b)
