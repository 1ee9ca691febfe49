import { PrismaPg } from '@prisma/adapter-pg'
import { lockable, rowLocks } from 'rowlock'
import { createWallet, withdraw } from 'rowlock/repositories'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { type Contestant, PATIENCE, type Server } from '../contestant.js'

const options = { maxWait: PATIENCE, timeout: PATIENCE }

export function openRowlock({ url, pool }: Server) {
  const adapter = lockable(new PrismaPg({ connectionString: url, max: pool }))
  const prisma = new PrismaClient({ adapter }).$extends(rowLocks())
  return { prisma, close: () => prisma.$disconnect() }
}

export const rowlockWithdraw: Contestant = {
  name: 'rowlock withdraw',
  kind: 'rowlock',
  open(server) {
    const { prisma, close } = openRowlock(server)
    return { withdraw: (userId) => withdraw(prisma, { userId, amount: 1 }), close }
  },
}

export const rowlockCoalesced: Contestant = {
  name: 'rowlock withdraw, coalesced',
  kind: 'rowlock',
  open(server) {
    const { prisma, close } = openRowlock(server)
    const wallet = createWallet(prisma, { coalesce: { max: 100 } })
    return { withdraw: (userId) => wallet.withdraw({ userId, amount: 1 }), close }
  },
}

/** The last statement of the typed transaction, with COMMIT behind it or without. */
function typed(name: string, commit: boolean): Contestant {
  return {
    name,
    kind: 'rowlock',
    open(server) {
      const { prisma, close } = openRowlock(server)
      const withdrawTyped = (userId: number) =>
        prisma.$transactionWithRetry(async (tx) => {
          const wallet = await tx.wallet.findUniqueOrThrow({ where: { userId }, lock: 'forUpdate' })
          if (wallet.balance.lessThan(1)) throw new Error('The balance is too low.')
          const balance = wallet.balance.minus(1)
          await tx.wallet.update({ where: { id: wallet.id }, data: { balance } })
          await tx.walletEntry.create({ data: { walletId: wallet.id, kind: 'WITHDRAWAL', amount: -1, balance }, commit })
        }, options)
      return { withdraw: withdrawTyped, close }
    },
  }
}

export const rowlockTyped = typed('rowlock $transactionWithRetry, typed', false)

export const rowlockTypedCommit = typed('rowlock $transactionWithRetry, typed, commit: true', true)
