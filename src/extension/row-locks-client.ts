import { InvalidOptionError } from '../core/errors.js'
import type { TransactionOptions } from '../transaction/transaction-options.js'

/** What a function of rowlock that opens a transaction needs of a client with `rowLocks()`. */
export interface RowLocksClient {
  $transactionWithRetry<R>(run: (tx: never) => Promise<R>, options?: TransactionOptions): Promise<R>
}

/** @throws {InvalidOptionError} when `db` is no client with `rowLocks()`. */
export function assertRowLocksClient(db: unknown): asserts db is RowLocksClient {
  if (typeof (db as Partial<RowLocksClient> | null | undefined)?.$transactionWithRetry !== 'function') {
    throw new InvalidOptionError('db', db, 'a Prisma client extended with `rowLocks()`, or the `tx` of its transaction')
  }
}
