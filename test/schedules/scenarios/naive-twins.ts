import assert from 'node:assert/strict'
import { checkLedger } from 'rowlock/testing'
import { naiveDecrementCount, naiveIncrementCount, naiveSetCount } from '../../../examples/naive/counter.js'
import { naivePlaceOrder } from '../../../examples/naive/order.js'
import { naiveSignIn } from '../../../examples/naive/sign-in.js'
import { naiveBuyAnyTicket, naiveBuyTicket } from '../../../examples/naive/ticket.js'
import { naiveTransfer } from '../../../examples/naive/transfer.js'
import { naiveCredit, naiveWithdraw } from '../../../examples/naive/wallet.js'
import type { PrismaClient } from '../../../src/generated/prisma/client.js'
import {
  createCompany,
  createEvent,
  createUsers,
  createWallet,
  errorsOf,
  fulfilled,
  readCount,
  repeated,
  type Scenario,
} from './scenario.js'

/** An operation as it is written without locks, and what the explorer calls its mistake. */
export interface NaiveTwin extends Scenario<PrismaClient> {
  readonly anomaly: string
}

export const naiveTwins: readonly NaiveTwin[] = [
  {
    title: 'naiveSignIn gives the reward once a day',
    setup: createUsers,
    actors: repeated(2, (prisma) => naiveSignIn(prisma, { userId: 1 })),
    invariant: async (prisma) => {
      const quota = await prisma.readingQuota.findUnique({ where: { userId: 1 } })
      assert.equal(quota?.remaining, 25 * (await prisma.signIn.count()), 'the reading quota')
    },
    anomaly: 'double insert',
  },
  {
    title: 'naiveCredit adds every credit',
    setup: (prisma) => createWallet(prisma, 100),
    actors: repeated(2, (prisma) => naiveCredit(prisma, { userId: 1, amount: 10 })),
    invariant: (prisma) => checkLedger(prisma),
    anomaly: 'lost update (P4)',
  },
  {
    title: 'naiveCredit opens the wallet for the first credit',
    setup: createUsers,
    actors: repeated(2, (prisma) => naiveCredit(prisma, { userId: 1, amount: 10 })),
    invariant: async (prisma, { outcomes }) => {
      assert.deepEqual(errorsOf(outcomes), [], 'refused credits')
      await checkLedger(prisma)
    },
    anomaly: 'double insert',
  },
  {
    title: 'naiveWithdraw takes every withdrawal off',
    setup: (prisma) => createWallet(prisma, 100),
    actors: repeated(2, (prisma) => naiveWithdraw(prisma, { userId: 1, amount: 60 })),
    invariant: (prisma) => checkLedger(prisma),
    anomaly: 'lost update (P4)',
  },
  {
    title: 'naiveIncrementCount counts every call',
    setup: (prisma) => createCompany(prisma, 5),
    actors: repeated(2, (prisma) => naiveIncrementCount(prisma, { company: 'Acme', count: 1 })),
    invariant: async (prisma, { outcomes }) => assert.equal(await readCount(prisma), 5 + fulfilled(outcomes), 'the count'),
    anomaly: 'lost update (P4)',
  },
  {
    title: 'naiveDecrementCount takes no more than there is',
    setup: (prisma) => createCompany(prisma, 1),
    actors: repeated(2, (prisma) => naiveDecrementCount(prisma, { company: 'Acme', count: 1 })),
    invariant: async (prisma, { outcomes }) => assert.equal(await readCount(prisma), 1 - fulfilled(outcomes), 'the count'),
    anomaly: 'lost update (P4)',
  },
  {
    title: 'naiveSetCount is not written over by a naiveIncrementCount that has read before it',
    setup: (prisma) => createCompany(prisma, 5),
    actors: {
      set: (prisma) => naiveSetCount(prisma, { company: 'Acme', count: 10 }),
      increment: (prisma) => naiveIncrementCount(prisma, { company: 'Acme', count: 1 }),
    },
    invariant: async (prisma) => [10, 11].includes(await readCount(prisma)),
    anomaly: 'lost update (P4)',
  },
  {
    title: 'naiveBuyTicket sells the last ticket once',
    setup: (prisma) => createEvent(prisma, { remaining: 1 }),
    actors: repeated(2, (prisma, userId) => naiveBuyTicket(prisma, { eventId: 1, userId })),
    invariant: async (prisma) => assert.equal(await prisma.ticket.count(), 1, 'tickets sold'),
    anomaly: 'lost update (P4)',
  },
  {
    title: 'naiveBuyAnyTicket sells the last seat once',
    setup: (prisma) => createEvent(prisma, { seats: 1 }),
    actors: repeated(2, (prisma, userId) => naiveBuyAnyTicket(prisma, { eventId: 1, userId })),
    invariant: async (_, { outcomes }) => assert.equal(fulfilled(outcomes), 1, 'buyers of the one seat'),
    anomaly: 'lost update (P4)',
  },
  {
    title: 'naivePlaceOrder numbers every order',
    setup: createUsers,
    actors: repeated(2, (prisma, order) => naivePlaceOrder(prisma, { userId: 1, orderId: `order ${order}`, amount: 10 })),
    invariant: async (_, { outcomes }) => assert.deepEqual(errorsOf(outcomes), [], 'refused orders'),
    anomaly: 'double insert',
  },
  {
    title: 'naiveTransfer moves money in both directions at once',
    setup: async (prisma) => {
      await createWallet(prisma, 100)
      await createWallet(prisma, 100, 2)
    },
    actors: {
      there: (prisma) => naiveTransfer(prisma, { fromUserId: 1, toUserId: 2, amount: 10 }),
      back: (prisma) => naiveTransfer(prisma, { fromUserId: 2, toUserId: 1, amount: 10 }),
    },
    invariant: async (_, { outcomes }) => assert.deepEqual(errorsOf(outcomes), [], 'refused transfers'),
    anomaly: 'deadlock',
  },
]
