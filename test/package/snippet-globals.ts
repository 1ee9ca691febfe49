import type { PrismaPg as PrismaPgClass } from '@prisma/adapter-pg'
import type { Pool as PoolClass } from 'pg'
import type { Database } from 'rowlock/testing'

import type { PrismaClient as PrismaClientClass } from '../../src/generated/prisma/client.js'
import type { prisma as extended } from '../types/clients.js'

// The names that an example may use without saying where they come from.
declare global {
  const prisma: typeof extended
  const tx: Parameters<Parameters<(typeof extended)['$transaction']>[0]>[0]
  const Pool: typeof PoolClass
  const PrismaPg: typeof PrismaPgClass
  const PrismaClient: typeof PrismaClientClass
  const database: Database
}
