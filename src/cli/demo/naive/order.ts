import type { PrismaClient } from '../../../generated/prisma/client.js'

interface NewOrder {
  userId: number
  orderId: string
  amount: number
}

/** Wrong when run in parallel: two orders count the same orders before them, and one fails on the unique key. */
export async function naivePlaceOrder(prisma: PrismaClient, { userId, orderId, amount }: NewOrder): Promise<void> {
  const before = await prisma.order.count({ where: { userId } })
  await prisma.order.create({ data: { id: orderId, userId, number: before + 1, amount } })
}
