import { InvalidOptionError, isRowLockError } from '../core/errors.js'
import { isTransactionClient } from '../transaction/transaction-client.js'
import { RepositoryError } from './errors.js'
import type { RepositoryClient, RepositoryTransaction } from './repository-client.js'

const REPEATS = 3

/** How an operation may be run. */
export interface RunOptions {
  /** True when running a committed operation again changes nothing and gives the same result. */
  readonly repeatable?: boolean
}

/**
 * Runs an operation in the transaction that `db` stands for, which its owner commits and retries, or in
 * a retried one of its own.
 *
 * @throws {InvalidOptionError} when `db` is no client with `rowLocks()`.
 */
export async function inTransaction<R>(
  db: unknown,
  run: (tx: RepositoryTransaction) => Promise<R>,
  { repeatable = false }: RunOptions = {},
): Promise<R> {
  assertClient(db)
  if (isTransactionClient(db)) return run(db)
  return repeatable ? runUntilKnown(db, run) : db.$transactionWithRetry(run)
}

/** @throws {InvalidOptionError} when `db` is no client with `rowLocks()`. */
export function assertClient(db: unknown): asserts db is RepositoryClient {
  if (typeof (db as Partial<RepositoryClient> | null | undefined)?.$transactionWithRetry !== 'function') {
    throw new InvalidOptionError('db', db, 'a Prisma client extended with `rowLocks()`, or the `tx` of its transaction')
  }
}

/**
 * Resolves an ambiguous commit by running again: if the first run was committed, the second one finds
 * its result; if it is still being committed, the second one waits for it on the key.
 */
async function runUntilKnown<R>(db: RepositoryClient, run: (tx: RepositoryTransaction) => Promise<R>): Promise<R> {
  let ambiguous: unknown
  for (let repeats = 0; ; repeats++) {
    try {
      return await db.$transactionWithRetry(run)
    } catch (error) {
      if (isAmbiguous(error) && repeats < REPEATS) ambiguous ??= error
      // A refusal is an answer: the first run left nothing. Any other failure leaves its outcome open.
      else throw error instanceof RepositoryError ? error : (ambiguous ?? error)
    }
  }
}

/** By its code: the client may have been extended by another copy of this package. */
function isAmbiguous(error: unknown): boolean {
  return isRowLockError(error) && error.code === 'AMBIGUOUS_COMMIT'
}
