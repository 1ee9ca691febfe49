import { readOptions } from '../core/option-checks.js'
import { InvalidOptionError, LockOutsideTransactionError, StaleTokenError } from '../core/errors.js'
import { isTransactionClient, type RawQueryClient } from '../transaction/transaction-client.js'
import { explainLeaseError, leaseNames } from './lease-table.js'

/** Options of {@link guardedWrite}. */
export interface GuardedWriteOptions {
  /** The model of the lease table. Default: `Lease`. */
  readonly model?: string
}

// A transaction of a process that is alive pauses for less than this.
const SHORTEST_PAUSE = 1_000
const MAX_TOKEN = 2n ** 63n - 1n

/**
 * Guarantees that everything written in this transaction is written before anybody else gets the lease:
 * throws when `token` is not the latest of its key any more, and otherwise nobody is granted the lease
 * exclusively until the transaction ends. Call it first in the transaction, and let what it throws roll the
 * transaction back.
 *
 * It does not ask whether the lease has expired: as long as nobody has taken it over, the write is safe. It
 * holds `FOR KEY SHARE` on the lease's row, which renewals and releases pass and a take-over does not.
 *
 * As a stopped process would hold that lock for ever, the transaction's
 * `idle_in_transaction_session_timeout` is set to what the lease has left, at least 1,000 ms, unless a
 * shorter one is set: the server ends a transaction that sends nothing for so long, and the next statement
 * in it fails with a `ConnectionLostError`.
 *
 * @param tx The transaction in which the effect is written.
 * @param token The `fencingToken` of the held lease.
 * @throws {StaleTokenError} when another holder has come since, or the lease was swept.
 * @throws {LockOutsideTransactionError} when `tx` is no transaction client.
 * @throws {InvalidOptionError} for anything but a token that a lease can have.
 * @throws {SerializationError} above ReadCommitted, when somebody has taken the lease over since the
 *   transaction's snapshot.
 * @example
 * ```ts
 * const locker = leaseLocker(prisma, { ttl: 30_000 })
 * await locker.withLock('nightly-report', async ({ fencingToken }) => {
 *   await prisma.$transaction(async (tx) => {
 *     await guardedWrite(tx, fencingToken)
 *     await tx.company.update({ where: { id: 1 }, data: { count: { increment: 1 } } })
 *   })
 * })
 * ```
 */
export async function guardedWrite(tx: RawQueryClient, token: bigint, options: GuardedWriteOptions = {}): Promise<void> {
  options = readOptions(options, ['model'], 'options')
  if (typeof token !== 'bigint' || token < 1n || token > MAX_TOKEN) {
    throw new InvalidOptionError('token', token, 'the `fencingToken` of a held lease, a bigint from 1')
  }
  if (!isTransactionClient(tx)) {
    throw new LockOutsideTransactionError(
      '`guardedWrite` was called outside a transaction, where nothing would hold until the write; ' +
        'pass the client that `$transaction(async (tx) => …)` passes in.',
    )
  }
  const current = await query(tx, guardStatement(tx, options.model ?? 'Lease'), token)
  if (current.length > 0) return
  throw new StaleTokenError(
    `The fencing token ${token} is not the latest of its lease any more: another holder has taken over. ` +
      'Roll the transaction back, and take the lease again.',
    { token },
  )
}

async function query(tx: RawQueryClient, sql: string, token: bigint): Promise<unknown[]> {
  try {
    return await tx.$queryRawUnsafe<unknown[]>(sql, token)
  } catch (error) {
    throw explainLeaseError(error, `the guarded write with token ${token}`)
  }
}

/** The limit is set once the row is locked and known to be current; `0` means that there was none. */
function guardStatement(client: unknown, model: string): string {
  const { table, token, expiresAt } = leaseNames(client, model)
  const setting = 'idle_in_transaction_session_timeout'
  const remaining = `greatest(extract(epoch FROM ${expiresAt} - clock_timestamp()) * 1000, ${SHORTEST_PAUSE})`
  const present = `nullif(extract(epoch FROM current_setting('${setting}')::interval) * 1000, 0)`
  return `
    WITH "current" AS MATERIALIZED (SELECT ${expiresAt} FROM ${table} WHERE ${token} = $1 FOR KEY SHARE)
    SELECT set_config('${setting}', ceil(least(${remaining}, ${present}))::bigint::text, true) FROM "current"`
}
