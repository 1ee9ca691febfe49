import { InvalidOptionError, LockOutsideTransactionError } from '../core/errors.js'
import { errorSqlState } from '../core/error-sql-state.js'
import { SQL_STATE } from '../core/sql-state.js'
import type { SqlDriverAdapter, SqlDriverAdapterFactory, SqlQuery, SqlResultSet, Transaction } from './driver-adapter.js'
import { findLockRequest, type LockRequest } from './lock-request.js'
import { lockersStatement, runLockedStatement } from './locked-statement.js'
import { type ConnectionConfig, type RunBeside, SideConnection } from './side-connection.js'
import { offerTransactionState, TransactionState } from './transaction-state.js'

/** Options of {@link lockable}. */
export interface LockableOptions {
  /**
   * How to reach the server beside the pool, to cancel a lock wait and to ask who holds a lock: a
   * `postgres://` URL or the options of `pg`. Default: what the adapter itself was made with, which
   * `@prisma/adapter-pg` tells.
   */
  readonly connection?: ConnectionConfig
}

/**
 * Makes a Prisma 7 driver adapter for PostgreSQL carry out the locks that the `rowLocks()` extension asks
 * for. A query without a lock passes through unchanged; a lock is put into Prisma's own SELECT and is
 * sent with it in one round trip, or the query is refused before anything is sent.
 *
 * @param adapter A driver adapter factory for PostgreSQL, as `PrismaClient` takes it.
 * @returns A factory to give to `PrismaClient` in its place.
 * @throws {InvalidOptionError} when `adapter` is no driver adapter, or not one for PostgreSQL.
 * @example
 * ```ts
 * const adapter = lockable(new PrismaPg({ connectionString: process.env.DATABASE_URL }))
 * const prisma = new PrismaClient({ adapter }).$extends(rowLocks())
 * ```
 */
export function lockable(adapter: SqlDriverAdapterFactory, options: LockableOptions = {}): SqlDriverAdapterFactory {
  assertPostgresAdapter(adapter)
  const connection = options.connection ?? (adapter as { config?: ConnectionConfig }).config
  return new LockableFactory(adapter, connection)
}

function assertPostgresAdapter(adapter: SqlDriverAdapterFactory): void {
  if (typeof adapter !== 'object' || adapter === null || typeof adapter.connect !== 'function') {
    throw new InvalidOptionError('adapter', adapter, 'a Prisma driver adapter, such as `new PrismaPg({ connectionString })`')
  }
  if (adapter.provider !== 'postgres') {
    throw new InvalidOptionError('adapter', adapter.provider, 'a driver adapter for PostgreSQL (its `provider` is `postgres`)')
  }
}

class LockableFactory implements SqlDriverAdapterFactory {
  readonly provider
  readonly adapterName
  readonly #inner: SqlDriverAdapterFactory
  readonly #connection: ConnectionConfig | undefined

  constructor(inner: SqlDriverAdapterFactory, connection: ConnectionConfig | undefined) {
    this.provider = inner.provider
    this.adapterName = inner.adapterName
    this.#inner = inner
    this.#connection = connection
  }

  async connect(): Promise<SqlDriverAdapter> {
    const inner = await this.#inner.connect()
    const { passFreely } = inner as { passFreely?: RunBeside }
    const side = this.#connection === undefined ? undefined : new SideConnection(this.#connection, passFreely)
    return new LockableAdapter(inner, side)
  }
}

class LockableAdapter implements SqlDriverAdapter {
  readonly provider
  readonly adapterName
  readonly #inner: SqlDriverAdapter
  readonly #side: SideConnection | undefined

  constructor(inner: SqlDriverAdapter, side: SideConnection | undefined) {
    this.provider = inner.provider
    this.adapterName = inner.adapterName
    this.#inner = inner
    this.#side = side
  }

  async queryRaw(query: SqlQuery): Promise<SqlResultSet> {
    const request = findLockRequest(query.args.at(-1))
    if (request) throw refuse(request, outsideTransaction())
    return this.#inner.queryRaw(query)
  }

  executeRaw(query: SqlQuery): Promise<number> {
    return this.#inner.executeRaw(query)
  }

  executeScript(script: string): Promise<void> {
    return this.#inner.executeScript(script)
  }

  async startTransaction(...args: Parameters<SqlDriverAdapter['startTransaction']>): Promise<Transaction> {
    return new LockableTransaction(await this.#inner.startTransaction(...args), this.#side)
  }

  getConnectionInfo() {
    return this.#inner.getConnectionInfo?.() ?? { supportsRelationJoins: true }
  }

  async dispose(): Promise<void> {
    await Promise.all([this.#side?.close(), this.#inner.dispose()])
  }

  /** The driver's own pool, where the adapter shows it. */
  underlyingDriver(): unknown {
    return (this.#inner as { underlyingDriver?: () => unknown }).underlyingDriver?.()
  }
}

class LockableTransaction implements Transaction {
  readonly provider
  readonly adapterName
  readonly options
  readonly #inner: Transaction
  readonly #state: TransactionState

  constructor(inner: Transaction, side: SideConnection | undefined) {
    this.provider = inner.provider
    this.adapterName = inner.adapterName
    this.options = inner.options
    this.#inner = inner
    this.#state = new TransactionState(side)
  }

  async queryRaw(query: SqlQuery): Promise<SqlResultSet> {
    offerTransactionState(query.sql, this.#state)
    const request = findLockRequest(query.args.at(-1))
    return this.#state.run(() => (request ? this.#queryLocked(query, request) : this.#inner.queryRaw(query)))
  }

  async executeRaw(query: SqlQuery): Promise<number> {
    const statement = () => this.#inner.executeRaw(query)
    if (query.sql === 'COMMIT' || query.sql === 'ROLLBACK') return this.#state.end(statement, query.sql === 'COMMIT')
    return this.#state.run(statement)
  }

  // With `usePhantomQuery` the driver sends COMMIT and ROLLBACK in these two; without it they came
  // through executeRaw, and these only give the connection back.
  commit(): Promise<void> {
    return this.options.usePhantomQuery ? this.#state.end(() => this.#inner.commit(), true) : this.#inner.commit()
  }

  rollback(): Promise<void> {
    return this.options.usePhantomQuery ? this.#state.end(() => this.#inner.rollback(), false) : this.#inner.rollback()
  }

  async createSavepoint(name: string): Promise<void> {
    await this.#state.run(async () => this.#inner.createSavepoint?.(name))
  }

  async rollbackToSavepoint(name: string): Promise<void> {
    await this.#inner.rollbackToSavepoint?.(name)
    this.#state.abortedBy = undefined
  }

  async releaseSavepoint(name: string): Promise<void> {
    await this.#state.run(async () => this.#inner.releaseSavepoint?.(name))
  }

  async #queryLocked(query: SqlQuery, request: LockRequest): Promise<SqlResultSet> {
    try {
      return await runLockedStatement(query, request, (locked) => this.#inner.queryRaw(locked))
    } catch (error) {
      if (!request.applied && error instanceof Error) throw refuse(request, error)
      if (errorSqlState(error) === SQL_STATE.lockNotAvailable) await this.#findBlockers(query, request)
      throw error
    }
  }

  async #findBlockers(query: SqlQuery, request: LockRequest): Promise<void> {
    const lockers = lockersStatement(query, request.skip)
    const blockers = lockers && (await this.#state.side?.findBlockers(lockers))
    if (blockers) request.blockers = blockers
  }
}

function outsideTransaction(): LockOutsideTransactionError {
  return new LockOutsideTransactionError(
    'The locked query reached the database outside a transaction, where its lock would be released at once; ' +
      'call it on the client that `$transaction(async (tx) => …)` passes in.',
  )
}

/** Leaves the refusal on the request: Prisma rewrites errors that carry a `code`. */
function refuse(request: LockRequest, error: Error): Error {
  request.refusal = error
  return error
}
