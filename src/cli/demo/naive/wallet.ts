import type { PrismaClient } from '../../../generated/prisma/client.js'

interface Movement {
  userId: number
  amount: number
}

/**
 * Wrong when run in parallel: two credits read the same balance, and the second write undoes the first
 * (a lost update). Two first credits both find no wallet, and one fails on the unique key.
 */
export async function naiveCredit(prisma: PrismaClient, { userId, amount }: Movement): Promise<void> {
  let wallet = await prisma.wallet.findUnique({ where: { userId } })
  if (!wallet) wallet = await prisma.wallet.create({ data: { userId } })
  const balance = wallet.balance.plus(amount)

  await prisma.wallet.update({ where: { id: wallet.id }, data: { balance } })
  const entry = await prisma.walletEntry.create({ data: { walletId: wallet.id, kind: 'CREDIT', amount, balance } })
  const value = amount >= 500 ? 50 : amount >= 300 ? 20 : amount >= 100 ? 5 : 0
  if (value > 0) await prisma.coupon.create({ data: { walletId: wallet.id, entryId: entry.id, value } })
}

/**
 * Wrong when run in parallel: two withdrawals read the same balance, both find it high enough, and both
 * write the same difference. The money goes out twice and is taken off once.
 */
export async function naiveWithdraw(prisma: PrismaClient, { userId, amount }: Movement): Promise<void> {
  const wallet = await prisma.wallet.findUnique({ where: { userId } })
  if (!wallet) throw new Error('There is no wallet.')
  if (wallet.balance.lt(amount)) throw new Error('The balance is too low.')
  const balance = wallet.balance.minus(amount)

  await prisma.wallet.update({ where: { id: wallet.id }, data: { balance } })
  await prisma.walletEntry.create({ data: { walletId: wallet.id, kind: 'WITHDRAWAL', amount: -amount, balance } })
}
