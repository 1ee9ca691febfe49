import type { Prisma, PrismaClient } from '../../../generated/prisma/client.js'

export async function createUser(prisma: PrismaClient): Promise<number> {
  const [id] = await createUsers(prisma, 1)
  return id!
}

export async function createUsers(prisma: PrismaClient, count: number): Promise<number[]> {
  const data = Array.from({ length: count }, (_, index) => ({ name: `Demo user ${index + 1}` }))
  const users = await prisma.user.createManyAndReturn({ data, select: { id: true } })
  return users.map(({ id }) => id)
}

/** A user with a wallet, and the ledger entry that its balance comes from. */
export async function createWallet(prisma: PrismaClient, balance: number): Promise<{ userId: number; walletId: number }> {
  const userId = await createUser(prisma)
  const entries = { create: { kind: 'CREDIT', amount: balance, balance } } as const
  const { id } = await prisma.wallet.create({ data: { userId, balance, entries }, select: { id: true } })
  return { userId, walletId: id }
}

export interface WalletState {
  readonly balance: Prisma.Decimal
  /** The sum of the ledger's entries, which the balance should be. */
  readonly ledger: Prisma.Decimal
}

export async function readWallet(prisma: PrismaClient, walletId: number): Promise<WalletState> {
  const { balance } = await prisma.wallet.findUniqueOrThrow({ where: { id: walletId } })
  const { _sum } = await prisma.walletEntry.aggregate({ where: { walletId }, _sum: { amount: true } })
  return { balance, ledger: _sum.amount ?? balance.minus(balance) }
}
