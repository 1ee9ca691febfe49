import { leaseLocker, type LeaseLocker } from 'rowlock/lockers'
import { createClient, type TestClient } from '../client.js'
import type { TestDatabase } from '../database.js'

/** Two lockers whose leases are rows of one table, and their client. */
export interface LeasePair {
  readonly prisma: TestClient
  readonly locker: LeaseLocker
  readonly other: LeaseLocker
}

/** Their leases do not expire within a test, unless by {@link expireLease}. */
export function createLeasePair(database: TestDatabase): LeasePair {
  const { prisma } = createClient(database)
  const create = () => leaseLocker(prisma, { ttl: 30_000 })
  return { prisma, locker: create(), other: create() }
}

/** As if the holder had not renewed for longer than its ttl. */
export async function expireLease({ sql }: TestDatabase, key: string): Promise<void> {
  await sql`UPDATE "Lease" SET "expiresAt" = clock_timestamp() - interval '1 ms' WHERE key = ${key}`
}
