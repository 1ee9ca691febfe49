import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { lockable, rowLocks } from 'rowlock'
import { advisoryLocker, rowLocker } from 'rowlock/lockers'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { lockedIncrement, type ProcessLocker } from './locked-increment.js'
import { POOLED } from '../through-pooler.js'

// The lockers of processes of their own: for the checks across processes, and for pool-holder.ts.

function connect(url: string) {
  return new PrismaClient({ adapter: lockable(new PrismaPg({ connectionString: url, max: 4 }), POOLED) }).$extends(rowLocks())
}

export const PROCESS_LOCKERS = {
  row(url) {
    const prisma = connect(url)
    return { locker: rowLocker(prisma, 'Company', { by: 'name' }), close: () => prisma.$disconnect() }
  },
  prisma(url) {
    const prisma = connect(url)
    return { locker: advisoryLocker(prisma), close: () => prisma.$disconnect() }
  },
  transaction(url) {
    const pool = new Pool({ connectionString: url, max: 4 })
    return { locker: advisoryLocker(pool), close: () => pool.end() }
  },
  session(url) {
    const pool = new Pool({ connectionString: url, max: 4 })
    return { locker: advisoryLocker(pool, { scope: 'session' }), close: () => pool.end() }
  },
} satisfies Record<string, (url: string) => ProcessLocker>

/** How a lock is held on a connection of a pool. */
export type Holding = keyof typeof PROCESS_LOCKERS

export const rowIncrement = lockedIncrement(({ url }) => PROCESS_LOCKERS.row(url))
export const prismaIncrement = lockedIncrement(({ url }) => PROCESS_LOCKERS.prisma(url))
export const transactionIncrement = lockedIncrement(({ url }) => PROCESS_LOCKERS.transaction(url))
export const sessionIncrement = lockedIncrement(({ url }) => PROCESS_LOCKERS.session(url))
