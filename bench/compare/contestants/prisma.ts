import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { assertWithdrawn, balanceAfter, type Contestant, PATIENCE, type Server, SQL } from '../contestant.js'

const options = { maxWait: PATIENCE, timeout: PATIENCE }

function connect({ url, pool }: Server) {
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: pool }) })
  return { prisma, close: () => prisma.$disconnect() }
}

/** What Prisma's users do today. */
export const prismaWorkaround: Contestant = {
  name: 'Prisma, raw FOR UPDATE in $transaction',
  kind: 'workaround',
  open(server) {
    const { prisma, close } = connect(server)
    const withdraw = (userId: number) =>
      prisma.$transaction(async (tx) => {
        const [wallet] = await tx.$queryRaw<[{ id: number; balance: unknown }]>`
          SELECT "id", "balance" FROM "Wallet" WHERE "userId" = ${userId} FOR UPDATE`
        const balance = balanceAfter(wallet)
        await tx.wallet.update({ where: { id: wallet.id }, data: { balance } })
        await tx.walletEntry.create({ data: { walletId: wallet.id, kind: 'WITHDRAWAL', amount: -1, balance } })
      }, options)
    return { withdraw, close }
  },
}

export const prismaOneStatement: Contestant = {
  name: 'Prisma $queryRaw, one statement',
  kind: 'one statement',
  open(server) {
    const { prisma, close } = connect(server)
    return { withdraw: async (userId) => assertWithdrawn(await prisma.$queryRawUnsafe(SQL.all, userId)), close }
  },
}
