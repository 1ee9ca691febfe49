import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { lockable, rowLocks, type RowLocksOptions } from 'rowlock'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import type { TestDatabase } from './database.js'
import { POOLED } from './through-pooler.js'

export interface TestClientOptions {
  /** Connections in the pool. Default: 10. */
  readonly poolSize?: number
  /** For `rowLocks`. */
  readonly options?: RowLocksOptions
}

/** A client with row locks on a pool that the clean check watches. */
export function createClient(database: TestDatabase, { poolSize = 10, options }: TestClientOptions = {}) {
  const pool = database.watch(new Pool({ connectionString: database.url, max: poolSize }))
  const prisma = new PrismaClient({ adapter: lockable(new PrismaPg(pool), POOLED) }).$extends(rowLocks(options))
  return { prisma, pool }
}

/** A client with row locks, as the package's users have it. */
export type TestClient = ReturnType<typeof createClient>['prisma']
