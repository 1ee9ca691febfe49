import { SideConnection } from '../adapter/side-connection.js'
import { InvalidOptionError, LockNotSupportedError } from '../core/errors.js'
import { propertyOf, readOptions } from '../core/option-checks.js'
import { takeAdvisoryLock } from '../extension/advisory-lock.js'
import { advisoryLockKey } from '../sql/advisory-lock-key.js'
import type { RawQueryClient, TransactionalClient, TransactionClientOf } from '../transaction/transaction-client.js'
import { createLocker, type LockSource } from './create-locker.js'
import { HOLD_LIMIT_KEYS, type HoldLimitOptions, parseHoldLimits } from './hold-limits.js'
import { holdTransaction, type TransactionLock } from './hold-transaction.js'
import type { HeldLock, Locker } from './locker.js'
import { type ClientOfPool, type PgPool, takeClient } from './pg-pool.js'
import { type AdvisoryLockScope, PoolSession } from './pool-session.js'
import { storableKey } from './storable-key.js'

/** Options of {@link advisoryLocker}. */
export interface AdvisoryLockerOptions extends HoldLimitOptions {
  /**
   * `'transaction'` holds the lock by a transaction that is held open, `'session'` by a connection that is in
   * no transaction, for locks that are held for long. Default: `'transaction'`.
   */
  readonly scope?: AdvisoryLockScope
}

/** What {@link advisoryLocker} needs of a Prisma client: any one whose adapter is `lockable()`. */
export interface AdvisoryLockerClient {
  $transaction(...args: never): unknown
}

/**
 * Locks any key by PostgreSQL's advisory locks for all who use the database: a lock on a name, which excludes
 * those who ask for the same name and nobody else. The key is that of `$advisoryLock` and `advisoryLockKey`,
 * so that they all exclude each other.
 *
 * | scope | the lock is released | also behind PgBouncer and its like |
 * |---|---|---|
 * | `transaction` | when the transaction ends that is held open for it | yes |
 * | `session` | by `pg_advisory_unlock`, or when the connection ends | refused: see below |
 *
 * In transaction scope `run` gets the transaction as `held.tx`: what it writes there is committed with the
 * release and rolled back when it throws. A transaction that is open for long keeps VACUUM from its work, so
 * that it ends after `maxHold`; a session may hold its lock for days.
 *
 * Session scope is only for a connection that leads to PostgreSQL itself. A proxy that shares sessions among
 * its clients would leave the lock to somebody else's: it is told by the process id that it announces, and
 * refused. The connection is taken from the pool for this one lock and given back when the lock is released,
 * or closed when that is in doubt.
 *
 * Each held lock keeps one connection; `signal` is aborted at once when it dies, or with `prisma` within about
 * a second. Callers of one locker and key queue in the process, so that one of them, or any number that share,
 * takes a connection. PostgreSQL sees no deadlock between locks that are nested in different orders, as each
 * is a session of its own: nest them in one order, or with a `timeout`.
 *
 * @param prisma A client whose adapter is `lockable()`, in transaction scope; or a `Pool` of the driver `pg`.
 * @returns A locker whose calls throw, beyond what every locker throws, a `PoolTimeoutError` when no connection
 *   came free, an `AmbiguousCommitError` when the connection died while committing, and a
 *   `LockNotSupportedError` behind a proxy in session scope, or inside a transaction of the same `prisma`.
 * @throws {InvalidOptionError} when an argument or option is not allowed.
 * @throws {LockNotSupportedError} for session scope with `prisma`, which keeps no connection for one caller.
 * @example
 * ```ts
 * const reports = advisoryLocker(prisma)
 * await reports.withLock('nightly-report', async ({ tx }) => {
 *   await tx.company.update({ where: { id: 1 }, data: { count: { increment: 1 } } })
 * }, { nowait: true })
 *
 * const leaders = advisoryLocker(new Pool({ connectionString: process.env.DATABASE_URL }), { scope: 'session' })
 * await using leader = await leaders.acquire('leader')
 * leader.signal.addEventListener('abort', () => console.log('stop leading'))
 * ```
 * @see https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
 */
export function advisoryLocker<Client extends AdvisoryLockerClient>(
  prisma: Client,
  options?: AdvisoryLockerOptions & { readonly scope?: 'transaction' },
): Locker<HeldLock & TransactionLock<TransactionClientOf<Client>>>
export function advisoryLocker(pool: PgPool, options: AdvisoryLockerOptions & { readonly scope: 'session' }): Locker
export function advisoryLocker<Pool extends PgPool>(
  pool: Pool,
  options?: AdvisoryLockerOptions & { readonly scope?: 'transaction' },
): Locker<HeldLock & TransactionLock<ClientOfPool<Pool>>>
export function advisoryLocker(db: AdvisoryLockerClient | PgPool, options: AdvisoryLockerOptions = {}): Locker<HeldLock & object> {
  options = readOptions(options, [...HOLD_LIMIT_KEYS, 'scope'], 'options')
  const scope = parseScope(options.scope)
  if (isPool(db)) return createLocker(poolSource(db, options, scope))
  assertClient(db)
  if (scope === 'session') throw sessionNeedsPool()
  return createLocker(prismaSource(db as TransactionalClient, options))
}

function prismaSource(prisma: TransactionalClient, options: AdvisoryLockerOptions): LockSource<TransactionLock<RawQueryClient>> {
  const limits = parseHoldLimits(options)
  return {
    take: async (wait) =>
      holdTransaction<RawQueryClient>(prisma, wait, limits, (tx, { nowait, timeout }) =>
        takeAdvisoryLock(tx, nameOf(wait.key), { shared: wait.shared, ...(nowait ? { nowait } : { timeout }) }),
      ),
  }
}

function poolSource(pool: PgPool, options: AdvisoryLockerOptions, scope: AdvisoryLockScope): LockSource {
  const limits = parseHoldLimits(options)
  const maxHold = scope === 'session' ? options.maxHold : limits.maxHold
  const side = pool.options && new SideConnection(pool.options as Record<string, unknown>)
  return {
    async take(wait) {
      const number = advisoryLockKey(nameOf(wait.key))
      const session = new PoolSession(await takeClient(pool, wait, limits), side, wait, { scope, number, maxHold })
      await session.take()
      return session
    },
  }
}

/** The key itself, unless UTF-8 cannot express it: then two such keys would be one. */
function nameOf(key: string): string {
  return /\p{Cs}/u.test(key) ? storableKey(key) : key
}

function isPool(db: unknown): db is PgPool {
  // A single client has `connect` as well, and no connections to count.
  return typeof propertyOf(db, 'connect') === 'function' && typeof propertyOf(db, 'totalCount') === 'number'
}

function assertClient(db: unknown): void {
  if (typeof propertyOf(db, '$transaction') !== 'function') {
    throw new InvalidOptionError('prisma', db, 'a Prisma client, or a Pool of the driver `pg`')
  }
}

function parseScope(scope: AdvisoryLockScope = 'transaction'): AdvisoryLockScope {
  if (scope === 'transaction' || scope === 'session') return scope
  throw new InvalidOptionError('scope', scope, "'transaction' or 'session'")
}

function sessionNeedsPool(): LockNotSupportedError {
  return new LockNotSupportedError(
    "Prisma keeps no connection for one caller, so that a lock of the session would be somebody else's with the next statement; " +
      "give `advisoryLocker` a Pool of the driver `pg`, or use `scope: 'transaction'`.",
  )
}
