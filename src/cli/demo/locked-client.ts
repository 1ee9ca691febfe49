import { PrismaPg } from '@prisma/adapter-pg'
import { lockable } from '../../adapter/lockable.js'
import { rowLocks } from '../../extension/row-locks.js'
import { PrismaClient } from '../../generated/prisma/client.js'
import type { TransactionOptions } from '../../transaction/transaction-options.js'
import { type ClientOptions, PATIENCE } from './naive-client.js'

function extend({ url, poolSize }: ClientOptions) {
  const adapter = lockable(new PrismaPg({ connectionString: url, max: poolSize }))
  return new PrismaClient({ adapter }).$extends(rowLocks())
}

/** A client with row locks. */
export type LockedClient = ReturnType<typeof extend>

/**
 * Makes a client with row locks, as patient as the naive one in all its transactions, those that a
 * repository opens included.
 *
 * @param onDeadlock - called for every deadlock after which a transaction is run again.
 */
export function createLockedClient(options: ClientOptions, onDeadlock: () => void): LockedClient {
  const client = extend(options)
  const run = client.$transactionWithRetry.bind(client) as (work: never, options?: TransactionOptions) => Promise<unknown>
  const patient = client.$extends({
    client: {
      $transactionWithRetry: (work: never, options?: TransactionOptions) =>
        run(work, {
          ...PATIENCE,
          ...options,
          onRetry: async (event) => {
            if (event.error.code === 'DEADLOCK') onDeadlock()
            await options?.onRetry?.(event)
          },
        }),
    },
  })
  return patient as unknown as LockedClient
}
