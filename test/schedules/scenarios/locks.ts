import assert from 'node:assert/strict'
import {
  buyAnyTicket,
  buyTicket,
  CompanyNotFoundError,
  createWallet as createWalletOf,
  credit,
  EventNotFoundError,
  incrementCount,
  LimitExceededError,
  placeOrder,
  setCount,
  signIn,
  UserNotFoundError,
  withdraw,
} from 'rowlock/repositories'
import { checkLedger } from 'rowlock/testing'
import type { TestClient } from '../../support/client.js'
import { againstThemselves, type RepositoryScenario } from './repositories.js'
import { asCode, createCompany, createEvent, createUsers, createWallet, joined, refusedOnlyWith, valuesOf } from './scenario.js'

/** One row lock of one operation, and what nothing but that lock keeps: the guards behind it keep the totals. */
export interface LockProof {
  readonly lock: string
  /** The table whose rows it locks. */
  readonly table: string
  readonly scenario: RepositoryScenario
}

const ofItself = (title: string): RepositoryScenario => againstThemselves(2).find((scenario) => scenario.title.startsWith(title))!
const LIMIT = 2_147_483_647

export const lockProofs: readonly LockProof[] = [
  {
    lock: 'signIn locks the quota',
    table: 'ReadingQuota',
    scenario: {
      title: 'signIn refuses a reward that the quota cannot hold',
      setup: async (prisma) => {
        await createUsers(prisma)
        await prisma.readingQuota.create({ data: { userId: 1, remaining: LIMIT - 30 } })
      },
      actors: {
        today: (prisma) => signIn(prisma, { userId: 1, now: new Date('2026-03-01T12:00:00Z') }),
        tomorrow: (prisma) => signIn(prisma, { userId: 1, now: new Date('2026-03-02T12:00:00Z') }),
      },
      invariant: async (_, { outcomes }) => assert.equal(refusedOnlyWith(outcomes, LimitExceededError).length, 1),
    },
  },
  {
    lock: 'the first signIn locks the user',
    table: 'User',
    scenario: {
      title: 'the first signIn with the deletion of its user',
      setup: createUsers,
      actors: { signIn: (prisma) => signIn(prisma, { userId: 1 }), deletion: deleteUser },
      invariant: async (_, { outcomes }) => void refusedOnlyWith(outcomes, UserNotFoundError),
    },
  },
  {
    lock: 'credit locks the wallet',
    table: 'Wallet',
    scenario: {
      title: 'credit with the deletion of the wallet, which it then opens again',
      setup: (prisma) => createWallet(prisma, 0),
      actors: {
        credit: (prisma) => credit(prisma, { userId: 1, amount: 10 }),
        deletion: (prisma) => prisma.wallet.deleteMany({ where: { userId: 1 } }),
      },
      invariant: async (_, { outcomes }) => void refusedOnlyWith(outcomes),
    },
  },
  {
    lock: 'the first credit locks the user',
    table: 'User',
    scenario: {
      title: 'the first credit with the deletion of its user',
      setup: createUsers,
      actors: { credit: (prisma) => credit(prisma, { userId: 1, amount: 10 }), deletion: deleteUser },
      invariant: async (_, { outcomes }) => void refusedOnlyWith(outcomes, UserNotFoundError),
    },
  },
  { lock: 'withdraw locks the wallet', table: 'Wallet', scenario: ofItself('withdraw never overdraws') },
  {
    lock: 'setCount locks the company',
    table: 'Company',
    scenario: {
      title: 'setCount with the renaming of its company',
      setup: (prisma) => createCompany(prisma, 5),
      actors: {
        set: (prisma) => setCount(prisma, { company: 'Acme', count: 10 }),
        renaming: (prisma) => prisma.company.updateMany({ where: { name: 'Acme' }, data: { name: 'Beta' } }),
      },
      invariant: async (_, { outcomes }) => {
        refusedOnlyWith(outcomes, CompanyNotFoundError)
        const { set } = outcomes
        if (set?.status === 'fulfilled') assert.equal((set.value as { company: string }).company, 'Acme')
      },
    },
  },
  {
    lock: 'incrementCount locks the company',
    table: 'Company',
    scenario: {
      title: 'incrementCount with the deletion of its company',
      setup: (prisma) => createCompany(prisma, 5),
      actors: {
        increment: (prisma) => incrementCount(prisma, { company: 'Acme', count: 1 }),
        deletion: (prisma) => prisma.company.deleteMany({ where: { name: 'Acme' } }),
      },
      invariant: async (_, { outcomes }) => void refusedOnlyWith(outcomes, CompanyNotFoundError),
    },
  },
  { lock: 'decrementCount locks the company', table: 'Company', scenario: ofItself('decrementCount takes') },
  {
    lock: 'buyTicket locks the event',
    table: 'Event',
    scenario: {
      title: 'buyTicket with the deletion of its event, which is not sold out',
      setup: (prisma) => createEvent(prisma, { remaining: 1 }),
      actors: {
        buy: (prisma) => buyTicket(prisma, { eventId: 1, userId: 1 }),
        deletion: (prisma) => prisma.event.deleteMany({ where: { id: 1 } }),
      },
      invariant: async (_, { outcomes }) => void refusedOnlyWith(outcomes, EventNotFoundError),
    },
  },
  {
    lock: 'buyTicket locks the user',
    table: 'User',
    scenario: {
      title: 'buyTicket with the deletion of its user',
      setup: (prisma) => createEvent(prisma, { remaining: 1 }),
      actors: { buy: (prisma) => buyTicket(prisma, { eventId: 1, userId: 1 }), deletion: deleteUser },
      invariant: async (_, { outcomes }) => void refusedOnlyWith(outcomes, UserNotFoundError),
    },
  },
  {
    lock: 'buyAnyTicket locks the user',
    table: 'User',
    scenario: {
      title: 'buyAnyTicket with the deletion of its user',
      setup: (prisma) => createEvent(prisma, { seats: 1 }),
      actors: { buy: (prisma) => buyAnyTicket(prisma, { eventId: 1, userId: 1 }), deletion: deleteUser },
      invariant: async (_, { outcomes }) => void refusedOnlyWith(outcomes, UserNotFoundError),
    },
  },
  {
    lock: 'placeOrder locks the user',
    table: 'User',
    scenario: {
      title: 'placeOrder with the deletion of its user',
      setup: createUsers,
      actors: { order: (prisma) => placeOrder(prisma, { userId: 1, orderId: 'order', amount: 10 }), deletion: deleteUser },
      invariant: async (_, { outcomes }) => void refusedOnlyWith(outcomes, UserNotFoundError),
    },
  },
]

/** A batch has its lock in its one statement, and waits at it only for who takes several. */
export const batchProof: LockProof = {
  lock: 'a batch of movements locks the wallet',
  table: 'Wallet',
  scenario: {
    title: 'a batch of movements, which is one statement, with a transaction on the same wallet',
    setup: (prisma) => createWallet(prisma, 100),
    actors: {
      batch: (prisma) => {
        const wallet = createWalletOf(prisma, { coalesce: {} })
        return Promise.all([wallet.withdraw({ userId: 1, amount: 60 }).catch(asCode), wallet.credit({ userId: 1, amount: 10 })])
      },
      transaction: (prisma) =>
        prisma.$transactionWithRetry(async (tx) => [
          await withdraw(tx, { userId: 1, amount: 60 }).catch(asCode),
          await credit(tx, { userId: 1, amount: 10 }),
        ]),
    },
    invariant: async (prisma, { outcomes }) => {
      refusedOnlyWith(outcomes)
      const withdrawals = valuesOf(outcomes).map((value) => (value as unknown[])[0])
      assert.equal(withdrawals.filter((value) => value === 'INSUFFICIENT_BALANCE').length, 1)
      assert.deepEqual(await checkLedger(prisma, { successes: 4 }), { wallets: 1, entries: 4, balance: '60.00' })
    },
  },
}

/** Without the lock on the seat the guard keeps these as they are. */
export const seatScenarios = {
  enough: joined(ofItself('buyAnyTicket sells a seat to every buyer')),
  last: joined(ofItself('buyAnyTicket sells the last seat')),
}

/** A user with tickets cannot be deleted, which is an answer here. */
function deleteUser(prisma: TestClient): Promise<unknown> {
  return prisma.user.deleteMany({ where: { id: 1 } }).catch(asCode)
}
