import { createHash } from 'node:crypto'
import { IdempotencyConflictError, RecordNotFoundError, ReentrantLockError } from '../core/errors.js'
import { assertFunction, parseText, readOptions } from '../core/option-checks.js'
import { assertRowLocksClient } from '../extension/row-locks-client.js'
import { keepingOpen } from '../transaction/open-transactions.js'
import { isTransactionClient, type TransactionClientOf } from '../transaction/transaction-client.js'
import { TRANSACTION_OPTION_KEYS, type TransactionOptions } from '../transaction/transaction-options.js'
import {
  type IdempotencyRecordRow,
  type IdempotencyTransaction,
  type OnceClient,
  type RecordKey,
  type RecordTable,
  recordTableOf,
} from './idempotency-client.js'
import { canonicalText, decodeResult, encodeResult } from './result-codec.js'
import { runUntilKnown } from './run-until-known.js'

/** Options of `once`. Those of `$transactionWithRetry` are for a client; a `tx` has its own already. */
export interface OnceOptions extends TransactionOptions {
  /**
   * What the key is used for, 1 to 255 characters: the same key may serve different operations. rowlock's
   * repositories use `credit` and `withdraw`. Default: `'once'`.
   */
  readonly operation?: string
}

interface Call<R> {
  readonly record: RecordKey
  readonly inputHash: string
  readonly table: RecordTable
  readonly run: (tx: never) => Promise<R>
}

// No encoded result looks like this, and only the transaction that wrote it ever sees it.
const PENDING = '{"$pending": true}'

/**
 * Runs `run` exactly once per key: its result is stored in the same transaction as its effect, and every
 * further call with that key and an equal `input` gets that result, with the same types. Of calls at the
 * same time one runs; the others wait for it on its record, and when it is rolled back one of them runs in
 * its place. A failed run leaves the key free.
 *
 * Only what `run` does through its `tx` happens once: it may itself be run again after a rollback, so keep
 * effects outside of the database out of it. The record stays until {@link sweepOnce} takes it away; from
 * then on the key is new.
 *
 * Needs the model `IdempotencyRecord` of rowlock's `schema.prisma`.
 *
 * @param db A client with `rowLocks()`: `run` gets a `$transactionWithRetry` of its own, which is run again
 *   also when its connection died while committing, as the key shows whether it was committed. Or a
 *   transaction client: `run` joins that transaction, and the key is taken when that is committed. If you
 *   catch an error of `run` there and commit, what `run` had changed before it stays, without its key.
 * @param key Names this one execution, 1 to 255 characters: a payment's id, a header of the request.
 * @param input What must be equal under the same key: JSON, undefined, bigint, Date, Decimal and Uint8Array.
 *   The order of an object's keys does not matter, nor does whether an undefined field is there. Only a
 *   digest is stored.
 * @param run Returns what to store: the same kinds of values as `input`.
 * @returns What was stored, for the first call as for all others: what works with it the first time works
 *   every time.
 * @throws {IdempotencyConflictError} when the key was used with other input.
 * @throws {ReentrantLockError} when `run` of the same key has begun in this transaction and not returned.
 * @throws {RecordNotFoundError} when the record was deleted by `run` itself.
 * @throws {InvalidOptionError} for an argument that is not allowed, before anything is sent, and for a result
 *   that cannot be stored, which fails the run.
 * @throws What `$transactionWithRetry` throws, and whatever `run` throws.
 * @example
 * ```ts
 * const order = await once(prisma, 'checkout-4711', { userId: 1, amount: '49.90' }, async (tx) => {
 *   await tx.wallet.update({ where: { userId: 1 }, data: { balance: { decrement: '49.90' } } })
 *   return tx.order.create({ data: { id: 'web-4711', userId: 1, number: 1, amount: '49.90' } })
 * })
 * console.log(order.createdAt.getFullYear(), order.amount.toFixed(2))
 * ```
 */
export async function once<Client extends OnceClient, R>(
  db: Client,
  key: string,
  input: unknown,
  run: (tx: TransactionClientOf<Client>) => Promise<R>,
  options: OnceOptions = {},
): Promise<R> {
  const record = { operation: 'once', key: parseText(key, 'key') }
  const inputHash = digestOf(input)
  assertFunction(run, 'run')
  assertRowLocksClient(db)
  const joins = isTransactionClient(db)
  // A transaction client has its limits already.
  options = readOptions(options, joins ? ['operation'] : ['operation', ...TRANSACTION_OPTION_KEYS], 'options')
  const { operation, ...transactionOptions } = options
  if (operation !== undefined) record.operation = parseText(operation, 'operation')

  const call: Call<R> = { record, inputHash, table: recordTableOf(db), run }
  return joins ? runJoined(db as unknown as IdempotencyTransaction, call) : runAlone(db, call, transactionOptions)
}

/** What is stored of an input: equal for equal inputs. */
export function digestOf(input: unknown): string {
  return createHash('sha256').update(canonicalText(input, 'input')).digest('hex')
}

async function runAlone<R>(db: OnceClient, call: Call<R>, options: TransactionOptions): Promise<R> {
  // Whoever got the key, or an answer to it, knows that no transaction of this call was committed before.
  let answered = false
  const runAgain = () => {
    answered = false
    return db.$transactionWithRetry(async (tx: IdempotencyTransaction) => {
      const first = await claimOrFind(tx, call)
      answered = true
      return first ? replay(first, call) : runAndStore(tx, call)
    }, options)
  }
  return runUntilKnown(runAgain, () => answered)
}

async function runJoined<R>(tx: IdempotencyTransaction, call: Call<R>): Promise<R> {
  const first = await claimOrFind(tx, call)
  if (first) return replay(first, call)
  try {
    return await runAndStore(tx, call)
  } catch (error) {
    // The caller may catch the error and commit: the claim must not stay behind. After a failed statement
    // this fails too, and the rollback releases the key.
    await tx.idempotencyRecord.deleteMany({ where: call.record }).then(undefined, () => undefined)
    throw error
  }
}

/** @returns the record of an earlier run, or undefined once the key is ours. */
async function claimOrFind(tx: IdempotencyTransaction, call: Call<unknown>): Promise<IdempotencyRecordRow | undefined> {
  for (;;) {
    if (await claim(tx, call)) return undefined
    // Locked, so that a sweep leaves it alone while this transaction goes by it.
    const first = await tx.idempotencyRecord.findFirst({ where: call.record, lock: 'forKeyShare' })
    // Someone may have deleted the record in between: the key is then free again.
    if (first) return first
  }
}

/**
 * The insert is the lock: ON CONFLICT DO NOTHING waits for another transaction that is inserting the same
 * key, and does nothing once that is committed. The statement after it then sees the record. (Under
 * RepeatableRead it would not, and the insert fails with a serialization error.)
 *
 * Not through Prisma, which fills `createdAt` with the time of the client's clock.
 */
async function claim(tx: IdempotencyTransaction, { record, inputHash, table }: Call<unknown>): Promise<boolean> {
  const columns = [table.operation, table.key, table.inputHash, table.result, table.createdAt].join(', ')
  const values = `$1, $2, $3, '${PENDING}', clock_timestamp()`
  const sql = `INSERT INTO ${table.name} (${columns}) VALUES (${values}) ON CONFLICT DO NOTHING`
  return (await tx.$executeRawUnsafe(sql, record.operation, record.key, inputHash)) === 1
}

function replay<R>(first: IdempotencyRecordRow, { record, inputHash }: Call<R>): R {
  if (first.inputHash !== inputHash) throw new IdempotencyConflictError(record.operation, record.key)
  if (isPending(first)) throw reentrant(record)
  return decodeResult(first.result) as R
}

async function runAndStore<R>(tx: IdempotencyTransaction, { record, run }: Call<R>): Promise<R> {
  const result = encodeResult(await keepingOpen(tx, '`once` stores the result in the same transaction', () => run(tx as never)))
  const [stored] = await tx.idempotencyRecord.updateManyAndReturn({ where: record, data: { result } })
  if (!stored)
    throw new RecordNotFoundError(`The record of ${describe(record)} was deleted while it ran; the run counts as failed.`, { key: record })
  return decodeResult(stored.result) as R
}

function isPending({ result }: IdempotencyRecordRow): boolean {
  return typeof result === 'object' && result !== null && '$pending' in result
}

function reentrant(record: RecordKey): ReentrantLockError {
  return new ReentrantLockError(
    `The ${describe(record)} has begun in this transaction and has no result yet; await it before you ask for it again.`,
    { key: record },
  )
}

const describe = ({ operation, key }: RecordKey) => `${operation} ${JSON.stringify(key)}`
