import { IdempotencyConflictError } from '../core/errors.js'
import { assertRowLocksClient, type RowLocksClient } from '../extension/row-locks-client.js'
import { digestOf, once } from '../idempotency/once.js'
import { runUntilKnown } from '../idempotency/run-until-known.js'
import { refuseNesting } from '../transaction/run-transaction.js'
import { isTransactionClient } from '../transaction/transaction-client.js'
import { RepositoryError } from './errors.js'
import type { RepositoryClient, RepositoryTransaction } from './repository-client.js'

/** An operation in its two forms, which must leave the same. */
export interface Operation<R> {
  /** In a transaction, under the row's lock. */
  readonly run: (tx: RepositoryTransaction) => Promise<R>
  /** As one statement, if all goes well; undefined when nothing was changed and `run` has to say why. */
  readonly runAtOnce: () => Promise<R | undefined>
  /** True when running a committed operation again changes nothing and gives the same result. */
  readonly repeatable?: boolean
}

/** An operation that carries an idempotency key. */
export interface IdempotentOperation<R> {
  readonly name: string
  readonly key: string
  /** What must be the same under the same key, as text. */
  readonly input: Readonly<Record<string, string | number>>
  readonly run: Operation<R>['run']
  /** Gets the digest of `input`, to store it with the result. */
  readonly runAtOnce: (digest: string) => Promise<R | undefined>
}

/**
 * Runs an operation in the transaction that `db` stands for, which its owner commits and retries; or as one
 * statement, and where that has no answer in a retried transaction of its own.
 *
 * @throws {InvalidOptionError} when `db` is no client with `rowLocks()`.
 */
export async function runOperation<R>(db: unknown, { run, runAtOnce, repeatable = false }: Operation<R>): Promise<R> {
  assertRowLocksClient(db)
  if (joins(db)) return run(db as unknown as RepositoryTransaction)
  const runAlone = async () => (await runAtOnce()) ?? db.$transactionWithRetry(run)
  return repeatable ? runUntilKnown(runAlone, isRefusal) : runAlone()
}

/** As {@link runOperation}, once per key: {@link once} has the last word. */
export async function runOperationOnce<R>(db: unknown, { name, key, input, run, runAtOnce }: IdempotentOperation<R>): Promise<R> {
  assertRowLocksClient(db)
  const runOnce = () => once(db as RepositoryClient, key, input, run as (tx: unknown) => Promise<R>, { operation: name })
  if (joins(db)) return runOnce()
  const digest = digestOf(input)
  // A statement whose answer was lost may still wait in the server for a lock, and succeed after a refusal.
  return runUntilKnown(async () => (await runAtOnce(digest)) ?? runOnce(), isConflict)
}

/** Whether `db` is a transaction to be joined, and not a client for an operation of its own. */
function joins(db: RowLocksClient): boolean {
  if (isTransactionClient(db)) return true
  refuseNesting(db)
  return false
}

/** A refusal is an answer: the first run left nothing. */
const isRefusal = (error: unknown) => error instanceof RepositoryError || isConflict(error)

const isConflict = (error: unknown) => error instanceof IdempotencyConflictError
