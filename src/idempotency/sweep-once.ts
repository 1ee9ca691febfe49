import { MAX_AGE, parseNumber, readOptions, requireNumber } from '../core/option-checks.js'
import { type OnceClient, type RecordTable, recordTableOf } from './idempotency-client.js'

/** Options of `sweepOnce`. */
export interface SweepOnceOptions {
  /**
   * How old a record must be, in milliseconds by the server's clock, to be deleted. Longer than anyone may
   * still repeat a call. 0 to 1,000,000,000,000 (31 years).
   */
  readonly olderThan: number
  /** How many records are deleted at most. Default: all that are old enough. Minimum: 1. */
  readonly limit?: number
}

const BATCH = 1_000

/**
 * Deletes the records of `once` and of the repositories' idempotency keys that are older than `olderThan`,
 * the oldest first; their keys are new again. Never deletes a record that a running transaction has made or
 * got a result from, and never waits: two sweeps at once share the work.
 *
 * Each batch of up to 1,000 is a statement, and outside of a transaction committed, by itself.
 *
 * @param db A client with `rowLocks()`, or its transaction client.
 * @returns How many records were deleted.
 * @throws {InvalidOptionError} for an option that is not allowed, or a client without the model
 *   `IdempotencyRecord`; nothing was sent.
 * @throws {ConnectionLostError | AmbiguousCommitError} when the connection died; run it again.
 * @example
 * ```ts
 * const DAY = 24 * 60 * 60 * 1_000
 * const deleted = await sweepOnce(prisma, { olderThan: 7 * DAY, limit: 100_000 })
 * console.log(`${deleted} keys expired`)
 * ```
 */
export async function sweepOnce(db: OnceClient, options: SweepOnceOptions): Promise<number> {
  const { olderThan, limit } = parseOptions(options)
  const sql = sweepStatement(recordTableOf(db))
  let deleted = 0
  for (;;) {
    const batch = Math.min(BATCH, limit - deleted)
    const count = await (db as unknown as RawClient).$executeRawUnsafe(sql, olderThan, batch)
    deleted += count
    if (count < batch || deleted === limit) return deleted
  }
}

interface RawClient {
  $executeRawUnsafe(sql: string, ...values: unknown[]): PromiseLike<number>
}

/** The time comes from a subquery: PostgreSQL uses no index for a comparison with a volatile function. */
function sweepStatement({ name, operation, key, createdAt }: RecordTable): string {
  return `WITH expired AS MATERIALIZED (
    SELECT ${operation} AS operation, ${key} AS key FROM ${name}
    WHERE ${createdAt} < (SELECT clock_timestamp() - $1::float8 * interval '1 millisecond')
    ORDER BY ${createdAt} LIMIT $2::int FOR UPDATE SKIP LOCKED
  )
  DELETE FROM ${name} AS record USING expired
  WHERE record.${operation} = expired.operation AND record.${key} = expired.key`
}

function parseOptions(options: SweepOnceOptions): Required<SweepOnceOptions> {
  options = readOptions(options, ['olderThan', 'limit'], 'options')
  return {
    olderThan: requireNumber(options.olderThan, 'olderThan', { min: 0, max: MAX_AGE }),
    limit: parseNumber(options.limit, 'limit', { min: 1 }) ?? Number.MAX_SAFE_INTEGER,
  }
}
