import { IdempotencyConflictError } from '../core/errors.js'
import { isInstance } from '../core/option-checks.js'
import { assertRowLocksClient, type RowLocksClient } from '../extension/row-locks-client.js'
import { digestOf, once, type OnceOptions } from '../idempotency/once.js'
import { runUntilKnown } from '../idempotency/run-until-known.js'
import { type GateOptions, parseGate, passGate } from '../transaction/gate.js'
import { refuseNesting } from '../transaction/transaction-scope.js'
import { isTransactionClient } from '../transaction/transaction-client.js'
import { RepositoryError } from './errors.js'
import type { RepositoryClient, RepositoryTransaction } from './repository-client.js'

/** An operation in its two forms, which must leave the same. */
export interface Operation<R> {
  /** The row that it waits for, if all of its kind do; undefined when each takes another one. */
  readonly row: Row | undefined
  /** In a transaction, under the row's lock. */
  readonly run: (tx: RepositoryTransaction) => Promise<R>
  /** As one statement, if all goes well; undefined when nothing was changed and `run` has to say why. */
  readonly runAtOnce: () => Promise<R | undefined>
  /** True when running a committed operation again changes nothing and gives the same result. */
  readonly repeatable?: boolean
}

/** A model and a value that tells its row. */
export type Row = readonly [model: string, value: string | number]

/** An operation that carries an idempotency key. */
export interface IdempotentOperation<R> {
  readonly row: Row
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
export async function runOperation<R>(db: unknown, { row, run, runAtOnce, repeatable = false }: Operation<R>): Promise<R> {
  assertRowLocksClient(db)
  if (joins(db)) return run(db as unknown as RepositoryTransaction)
  const gate = row && gateOf(row)
  const runAlone = async () => (await atGate(db, gate, runAtOnce)) ?? db.$transactionWithRetry(run, { gate })
  return repeatable ? runUntilKnown(runAlone, isRefusal) : runAlone()
}

/** As {@link runOperation}, once per key: {@link once} has the last word. */
export async function runOperationOnce<R>(db: unknown, { row, name, key, input, run, runAtOnce }: IdempotentOperation<R>): Promise<R> {
  assertRowLocksClient(db)
  const runOnce = (options: OnceOptions) =>
    once(db as RepositoryClient, key, input, run as (tx: unknown) => Promise<R>, { ...options, operation: name })
  if (joins(db)) return runOnce({})
  const digest = digestOf(input)
  const gate = gateOf(row)
  // A statement whose answer was lost may still wait in the server for a lock, and succeed after a refusal.
  return runUntilKnown(async () => (await atGate(db, gate, () => runAtOnce(digest))) ?? runOnce({ gate }), isConflict)
}

/**
 * Callers of one row that all wait in the server would take every connection of the pool. Of this many
 * one works, and the next ones are on their way.
 */
const AT_ONCE = 4

const gateOf = ([model, value]: Row): GateOptions => ({ key: `rowlock ${model} ${value}`, width: AT_ONCE })

function atGate<R>(db: object, gate: GateOptions | undefined, run: () => Promise<R>): Promise<R> {
  return gate ? passGate(db, parseGate(gate), run) : run()
}

/** Whether `db` is a transaction to be joined, and not a client for an operation of its own. */
function joins(db: RowLocksClient): boolean {
  if (isTransactionClient(db)) return true
  refuseNesting(db)
  return false
}

/** A refusal is an answer: the first run left nothing. */
const isRefusal = (error: unknown) => isInstance(error, RepositoryError) || isConflict(error)

const isConflict = (error: unknown) => isInstance(error, IdempotencyConflictError)
