import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaClient } from '../../generated/prisma/client.js'

export interface ClientOptions {
  readonly url: string
  /** The most connections that the client opens. */
  readonly poolSize: number
}

/**
 * A hundred requests queue for a few connections and one row: on a slow machine they are to wait and not
 * to be refused, as the demo is about who is right and not about who is fast. Milliseconds.
 */
export const PATIENCE = { maxWait: 30_000, timeout: 30_000 }

/** Makes a client as everybody has it. */
export function createNaiveClient({ url, poolSize }: ClientOptions): PrismaClient {
  return new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: poolSize }), transactionOptions: PATIENCE })
}
