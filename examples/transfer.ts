import { lockInOrder } from 'rowlock'
import type { Prisma } from './client.js'

export interface Transfer {
  readonly fromUserId: number
  readonly toUserId: number
  /** In whole units of money. */
  readonly amount: number
}

/**
 * Moves money from one wallet to another. `lockInOrder` locks both wallets in an order that does not
 * depend on the direction, so that transfers in opposite directions wait for each other and never deadlock.
 */
export async function transfer(prisma: Prisma, { fromUserId, toUserId, amount }: Transfer): Promise<void> {
  await prisma.$transactionWithRetry(async (tx) => {
    const [from, to] = await lockInOrder(tx, [
      { model: 'wallet', where: { userId: fromUserId } },
      { model: 'wallet', where: { userId: toUserId } },
    ])
    if (from.balance.lt(amount)) throw new Error('The balance is too low.')
    const { balance: fromBalance } = await tx.wallet.update({ where: { id: from.id }, data: { balance: { decrement: amount } } })
    const { balance: toBalance } = await tx.wallet.update({ where: { id: to.id }, data: { balance: { increment: amount } } })
    await tx.walletEntry.createMany({
      data: [
        { walletId: from.id, kind: 'WITHDRAWAL', amount: -amount, balance: fromBalance },
        { walletId: to.id, kind: 'CREDIT', amount, balance: toBalance },
      ],
    })
  })
}
