import { createHash } from 'node:crypto'
import { IdempotencyConflictError } from './errors.js'
import { inTransaction } from './in-transaction.js'
import { parseText } from './input-checks.js'
import type { JsonValue, RepositoryTransaction } from './repository-client.js'
import { decodeResult, encodeResult } from './result-codec.js'

/** An operation that may carry an idempotency key. */
export interface IdempotentOperation<R> {
  readonly name: string
  readonly idempotencyKey: string | undefined
  /** What must be the same under the same key, as text. */
  readonly input: Readonly<Record<string, string | number>>
  readonly run: (tx: RepositoryTransaction) => Promise<R>
}

interface Claim {
  readonly operation: string
  readonly key: string
}

// Only the transaction that wrote it ever sees a record with this.
const PENDING: JsonValue = {}

/** @throws {InvalidOptionError} when `value` is neither undefined nor a key that can be stored. */
export function parseIdempotencyKey(value: unknown): string | undefined {
  return value === undefined ? undefined : parseText(value, 'idempotencyKey')
}

/**
 * Runs an operation once per key, and gives every further call with that key the first one's result. A
 * call that comes while the first one runs waits for it. An operation that failed leaves the key free.
 *
 * @throws {IdempotencyConflictError} when the key was used with other input.
 */
export async function inTransactionOnce<R>(db: unknown, operation: IdempotentOperation<R>): Promise<R> {
  const { name, idempotencyKey: key, run } = operation
  if (key === undefined) return inTransaction(db, run)
  const claim: Claim = { operation: name, key }
  return inTransaction(db, (tx) => runOnce(tx, claim, hashInput(operation.input), run), { repeatable: true })
}

async function runOnce<R>(tx: RepositoryTransaction, claim: Claim, inputHash: string, run: IdempotentOperation<R>['run']): Promise<R> {
  while (!(await claimKey(tx, claim, inputHash))) {
    const first = await tx.idempotencyRecord.findUnique({ where: { operation_key: claim } })
    // Someone may have deleted the record in between: the key is then free again.
    if (!first) continue
    if (first.inputHash !== inputHash) throw new IdempotencyConflictError(claim.operation, claim.key)
    return decodeResult(first.result) as R
  }
  const result = await runOrRelease(tx, claim, run)
  await tx.idempotencyRecord.updateMany({ where: claim, data: { result: encodeResult(result)! } })
  return result
}

/**
 * The insert is the lock: ON CONFLICT DO NOTHING waits for another transaction that is inserting the same
 * key, and does nothing once that is committed. The statement after it then sees the record.
 */
async function claimKey(tx: RepositoryTransaction, claim: Claim, inputHash: string): Promise<boolean> {
  const { count } = await tx.idempotencyRecord.createMany({ data: { ...claim, inputHash, result: PENDING }, skipDuplicates: true })
  return count === 1
}

/** In a joined transaction the caller may catch the refusal and commit: the claim must not stay behind. */
async function runOrRelease<R>(tx: RepositoryTransaction, claim: Claim, run: IdempotentOperation<R>['run']): Promise<R> {
  try {
    return await run(tx)
  } catch (error) {
    // After a failed statement this fails too, and the rollback releases the key.
    await tx.idempotencyRecord.deleteMany({ where: claim }).then(undefined, () => undefined)
    throw error
  }
}

function hashInput(input: IdempotentOperation<never>['input']): string {
  return createHash('sha256').update(JSON.stringify(input)).digest('hex')
}
