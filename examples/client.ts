import { PrismaPg } from '@prisma/adapter-pg'
import { lockable, rowLocks } from 'rowlock'
import { PrismaClient } from '../src/generated/prisma/client.js'

/** The two lines that give a Prisma client row locks: `lockable(…)` and `rowLocks()`. */
export function createPrisma(connectionString: string) {
  const adapter = lockable(new PrismaPg({ connectionString }))
  return new PrismaClient({ adapter }).$extends(rowLocks())
}

export type Prisma = ReturnType<typeof createPrisma>
