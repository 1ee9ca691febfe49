import type { LockStrength } from 'rowlock'
import {
  allFulfilled,
  countFulfilled,
  createCompany,
  createWallets,
  type Operation,
  type PlantedBug,
  readCount,
  twice,
} from './planted-bug.js'

/** Locks that are taken in a way that fails, and failures that are handled wrongly. */
export const lockMistakes: readonly PlantedBug[] = [
  {
    title: 'a row is locked FOR SHARE, and then updated',
    setup: createCompany,
    broken: twice(addOneUnder('forShare')),
    fixed: twice(addOneUnder('forNoKeyUpdate')),
    invariant: async (_, { outcomes }) => allFulfilled(outcomes),
    anomaly: 'deadlock',
  },
  {
    title: 'two transfers lock their wallets in opposite order',
    setup: (prisma) => createWallets(prisma, 100),
    broken: { there: transfer([1, 2], [1, 2]), back: transfer([2, 1], [2, 1]) },
    fixed: { there: transfer([1, 2], [1, 2]), back: transfer([2, 1], [1, 2]) },
    invariant: async (_, { outcomes }) => allFulfilled(outcomes),
    anomaly: 'deadlock',
  },
  {
    title: 'a parent is locked FOR UPDATE after a child was inserted',
    setup: (prisma) => createWallets(prisma, 100),
    broken: twice(creditAfterEntry('forUpdate')),
    fixed: twice(creditAfterEntry('forNoKeyUpdate')),
    invariant: async (_, { outcomes }) => allFulfilled(outcomes),
    anomaly: 'deadlock',
  },
  {
    title: 'the refusal of NOWAIT is swallowed',
    setup: createCompany,
    broken: twice((prisma) =>
      prisma.$transaction(async (tx) => {
        try {
          await tx.company.findUniqueOrThrow({ where: { id: 1 }, lock: { strength: 'forNoKeyUpdate', nowait: true } })
          await tx.company.update({ where: { id: 1 }, data: { count: { increment: 1 } } })
        } catch {
          // "Someone else is at it": nothing is counted, and nobody is told.
        }
      }),
    ),
    fixed: twice((prisma) =>
      prisma.$transaction(async (tx) => {
        await tx.company.findUniqueOrThrow({ where: { id: 1 }, lock: { strength: 'forNoKeyUpdate', nowait: true } })
        await tx.company.update({ where: { id: 1 }, data: { count: { increment: 1 } } })
      }),
    ),
    invariant: async (prisma, { outcomes }) => {
      const [count, told] = [await readCount(prisma), countFulfilled(outcomes)]
      return count === told ? true : `${told} were told that they were counted, and the count is ${count}.`
    },
    anomaly: 'swallowed error',
  },
  {
    title: 'a retry repeats what was done outside the transaction',
    setup: createCompany,
    broken: twice(notifyAndCount((prisma) => prisma)),
    fixed: twice(notifyAndCount((_, tx) => tx)),
    invariant: async (prisma, { outcomes }) => {
      const [sent, done] = [await prisma.idempotencyRecord.count(), countFulfilled(outcomes)]
      return sent === done ? true : `${done} operations sent ${sent} messages.`
    },
    anomaly: 'repeated side effect',
  },
]

function addOneUnder(lock: LockStrength): Operation {
  return (prisma) =>
    prisma.$transaction(async (tx) => {
      const { count } = await tx.company.findUniqueOrThrow({ where: { id: 1 }, lock })
      await tx.company.update({ where: { id: 1 }, data: { count: count + 1 } })
    })
}

function transfer([from, to]: readonly [number, number], order: readonly number[]): Operation {
  return (prisma) =>
    prisma.$transaction(async (tx) => {
      for (const id of order) await tx.wallet.findUniqueOrThrow({ where: { id }, lock: 'forNoKeyUpdate' })
      await tx.wallet.update({ where: { id: from }, data: { balance: { decrement: 10 } } })
      await tx.wallet.update({ where: { id: to }, data: { balance: { increment: 10 } } })
    })
}

function creditAfterEntry(lock: LockStrength): Operation {
  return (prisma) =>
    prisma.$transaction(async (tx) => {
      await tx.walletEntry.create({ data: { walletId: 1, kind: 'CREDIT', amount: 10, balance: 0 } })
      const { balance } = await tx.wallet.findUniqueOrThrow({ where: { id: 1 }, lock })
      await tx.wallet.update({ where: { id: 1 }, data: { balance: balance.plus(10) } })
    })
}

type Client = Parameters<Operation>[0]
type Sender = Pick<Client, 'idempotencyRecord'>

/** Sends a message through what `via` gives, which is a row here, and counts. */
function notifyAndCount(via: (prisma: Client, tx: Sender) => Sender): Operation {
  return (prisma) => {
    let messages = 0
    const key = `${Math.random()}`
    return prisma.$transactionWithRetry(
      async (tx) => {
        const { count } = await tx.company.findUniqueOrThrow({ where: { id: 1 } })
        await via(prisma, tx).idempotencyRecord.create({
          data: { operation: 'message', key: `${key} ${++messages}`, inputHash: '', result: 'sent' },
        })
        await tx.company.update({ where: { id: 1 }, data: { count: count + 1 } })
      },
      { isolationLevel: 'RepeatableRead', retry: { baseDelay: 10_000 } },
    )
  }
}
