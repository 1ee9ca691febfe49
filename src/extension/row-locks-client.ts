import { InvalidOptionError } from '../core/errors.js'
import { propertyOf } from '../core/option-checks.js'
import type { TransactionOptions } from '../transaction/transaction-options.js'

/** What a function of rowlock that opens a transaction needs of a client with `rowLocks()`. */
export interface RowLocksClient {
  $transactionWithRetry<R>(run: (tx: never) => Promise<R>, options?: TransactionOptions): Promise<R>
}

/**
 * @param argument What the caller's argument is called: `prisma`, or `db` if it may be a transaction's client.
 * @throws {InvalidOptionError} when `client` is no client with `rowLocks()`.
 */
export function assertRowLocksClient(client: unknown, argument: 'db' | 'prisma' = 'db'): asserts client is RowLocksClient {
  if (typeof propertyOf(client, '$transactionWithRetry') !== 'function') {
    const orTx = argument === 'db' ? ', or the `tx` of its transaction' : ''
    throw new InvalidOptionError(argument, client, `a Prisma client extended with \`rowLocks()\`${orTx}`)
  }
}
