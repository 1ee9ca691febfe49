import type { PrismaClient } from '../../../src/generated/prisma/client.js'
import type { TestClient } from '../client.js'

/** The client as the naive twins know it: they use nothing that `rowLocks()` adds. */
export const asPlainClient = (prisma: TestClient): PrismaClient => prisma as unknown as PrismaClient
