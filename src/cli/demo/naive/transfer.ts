import type { PrismaClient } from '../../../generated/prisma/client.js'
import type { Transfer } from '../transfer.js'

/**
 * Wrong when run in parallel: each update locks its wallet, payer first. Two transfers in opposite
 * directions take the two locks in opposite orders, and PostgreSQL has to abort one of them.
 */
export async function naiveTransfer(prisma: PrismaClient, { fromUserId, toUserId, amount }: Transfer): Promise<void> {
  await prisma.$transaction(async (tx) => {
    const from = await tx.wallet.update({ where: { userId: fromUserId }, data: { balance: { decrement: amount } } })
    const to = await tx.wallet.update({ where: { userId: toUserId }, data: { balance: { increment: amount } } })
    await tx.walletEntry.createMany({
      data: [
        { walletId: from.id, kind: 'WITHDRAWAL', amount: -amount, balance: from.balance },
        { walletId: to.id, kind: 'CREDIT', amount, balance: to.balance },
      ],
    })
  })
}
