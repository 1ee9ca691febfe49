import { requestTransactionState } from '../adapter/transaction-state.js'
import { classifyError, describeKey } from '../core/classify-error.js'
import { errorSqlState } from '../core/error-sql-state.js'
import {
  InvalidOptionError,
  isRowLockError,
  LockNotAvailableError,
  LockOutsideTransactionError,
  type RowLockError,
} from '../core/errors.js'
import { parseTimeout } from '../core/lock-option.js'
import { parseFlag, readOptions } from '../core/option-checks.js'
import { SQL_STATE } from '../core/sql-state.js'
import { type AdvisoryLockKey, advisoryLockKey } from '../sql/advisory-lock-key.js'
import { selectWithLockTimeout } from '../sql/lock-timeout.js'
import type { Emitter } from '../events/emitter.js'
import { transactionStateOf } from '../transaction/open-transactions.js'
import { isTransactionClient, type RawQueryClient } from '../transaction/transaction-client.js'
import { LockReport } from './lock-report.js'

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
export async function takeAdvisoryLock(
  tx: RawQueryClient,
  key: AdvisoryLockKey,
  options: AdvisoryLockOptions = {},
  emitter?: Emitter,
): Promise<void> {
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
  const label = emitter && transactionStateOf(tx)?.label
  const report = emitter && new LockReport(emitter, { key, strength: shared ? 'advisoryShared' : 'advisory', label })
  const requested = requestTransactionState(report)
  const findHolders = () => requested.take()?.side?.findAdvisoryLockHolders(number)
  try {
    const [row] = await tx.$queryRawUnsafe<[{ granted: string }]>(requested.comment + sql, number)
    if (row.granted !== 'false') return
  } catch (error) {
    const explained = await explain(error, key, findHolders)
    report?.refused(explained)
    throw explained
  } finally {
    requested.take()
  }
  const held = await heldByAnother(key, findHolders)
  report?.refused(held)
  throw held
}

async function heldByAnother(key: AdvisoryLockKey, findHolders: FindHolders): Promise<LockNotAvailableError> {
  const blockers = await findHolders()
  return new LockNotAvailableError(
    `Another transaction holds the advisory lock${describeKey(key)}, and the call asked not to wait for it.`,
    { key, blockers },
  )
}

type FindHolders = () => Promise<RowLockError['blockers']> | undefined

/** Says which lock it was: the extension has seen a raw query, and explained its error as such. */
async function explain(error: unknown, key: AdvisoryLockKey, findHolders: FindHolders): Promise<unknown> {
  const cause = isRowLockError(error) && error.cause !== undefined ? error.cause : error
  const blockers = errorSqlState(cause) === SQL_STATE.lockNotAvailable ? await findHolders() : undefined
  return classifyError(cause, { key, blockers, subject: `the call for the advisory lock${describeKey(key)}` }) ?? error
}

function parseOptions(options: AdvisoryLockOptions): { shared: boolean; nowait: boolean; timeout: number | undefined } {
  options = readOptions(options, ['shared', 'nowait', 'timeout'], 'options')
  const shared = parseFlag(options.shared, 'shared')
  const nowait = parseFlag(options.nowait, 'nowait')
  const timeout = options.timeout === undefined ? undefined : parseTimeout(options.timeout, 'timeout')
  if (nowait && timeout !== undefined) throw new InvalidOptionError('timeout', timeout, 'left out with `nowait`, which never waits')
  return { shared, nowait, timeout }
}
