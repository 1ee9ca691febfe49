import { LockNotAvailableError, LockOutsideTransactionError } from '../core/errors.js'
import { parseTimeout } from '../core/lock-option.js'
import { assertKnownOptions } from '../core/option-checks.js'
import { InvalidOptionError } from '../core/errors.js'
import { type AdvisoryLockKey, advisoryLockKey } from '../sql/advisory-lock-key.js'
import { selectWithLockTimeout } from '../sql/lock-timeout.js'
import { classifyError, describeKey } from '../transaction/classify-error.js'
import { isTransactionClient, type RawQueryClient } from '../transaction/transaction-client.js'

/** Options of `$advisoryLock`; `nowait` and `timeout` exclude each other. */
export interface AdvisoryLockOptions {
  /** Take the lock together with other `shared` holders. Default: false, exclusive. */
  readonly shared?: boolean
  /** Fail at once when the lock is held. Default: false. */
  readonly nowait?: boolean
  /** Wait for at most this many milliseconds. Default: the transaction's `lock_timeout`. */
  readonly timeout?: number
}

/** Takes a transaction-scoped advisory lock on `tx`; see `$advisoryLock`. */
export async function takeAdvisoryLock(tx: RawQueryClient, key: AdvisoryLockKey, options: AdvisoryLockOptions = {}): Promise<void> {
  const { shared, nowait, timeout } = parseOptions(options)
  const number = advisoryLockKey(key)
  if (!isTransactionClient(tx)) {
    throw new LockOutsideTransactionError(
      'An advisory lock was asked for outside a transaction, where it would be released at once; ' +
        'call `$advisoryLock` on the client that `$transaction(async (tx) => …)` passes in.',
      { key },
    )
  }
  const call = `pg_${nowait ? 'try_' : ''}advisory_xact_lock${shared ? '_shared' : ''}($1::bigint)`
  const sql = timeout === undefined ? `SELECT ${call}::text AS granted` : selectWithLockTimeout(`${call}::text AS granted`, timeout)
  try {
    const [row] = await tx.$queryRawUnsafe<[{ granted: string }]>(sql, number)
    if (row.granted !== 'false') return
  } catch (error) {
    throw classifyError(error, { key, model: 'advisory lock' }) ?? error
  }
  throw new LockNotAvailableError(`Another transaction holds the advisory lock${describeKey(key)}, and the call asked not to wait for it.`, { key })
}

function parseOptions(options: AdvisoryLockOptions): { shared: boolean; nowait: boolean; timeout: number | undefined } {
  assertKnownOptions(options, ['shared', 'nowait', 'timeout'], 'options')
  const { shared = false, nowait = false } = options
  if (typeof shared !== 'boolean') throw new InvalidOptionError('shared', shared, 'true or false')
  if (typeof nowait !== 'boolean') throw new InvalidOptionError('nowait', nowait, 'true or false')
  const timeout = options.timeout === undefined ? undefined : parseTimeout(options.timeout, 'timeout')
  if (nowait && timeout !== undefined) throw new InvalidOptionError('timeout', timeout, 'left out with `nowait`, which never waits')
  return { shared, nowait, timeout }
}
