import { classifyError } from '../core/classify-error.js'
import { InvalidOptionError, LockOutsideTransactionError } from '../core/errors.js'
import { parseFlag, propertyOf, readOptions } from '../core/option-checks.js'
import { driverErrorCause, errorSqlState } from '../core/error-sql-state.js'
import { SQL_STATE } from '../core/sql-state.js'
import { requiringRow, saysNoRow } from '../sql/required-row.js'
import type { SqlDriverAdapter, SqlDriverAdapterFactory, SqlQuery, SqlResultSet, Transaction } from './driver-adapter.js'
import { withDescribedQueries } from './described-query.js'
import { setDirectRoute } from './direct-route.js'
import { assertIsWrite, type LastCall } from './last-call.js'
import { startTransaction } from './late-begin.js'
import type { LockObserver } from './lock-observer.js'
import { findLockRequest, type LockRequest } from './lock-request.js'
import { lockersStatement, runLockedStatement } from './locked-statement.js'
import { LockWatch } from './lock-watch.js'
import { observeLock } from './observe-lock.js'
import { backendPidOf, type PgError } from './pg-driver.js'
import { nameStatements, prepared } from './prepared-statements.js'
import { RepeatedStatements } from './repeated-statements.js'
import { type ConnectionConfig, type RunBeside, SideConnection } from './side-connection.js'
import { findTransactionOpening } from './transaction-opening.js'
import { explainWithCode, offerTransactionState, TransactionState } from './transaction-state.js'

/** Options of {@link lockable}. */
export interface LockableOptions {
  /**
   * How to reach the server beside the pool, to cancel a lock wait and to ask who holds a lock: a
   * `postgres://` URL or the options of `pg`. Default: what the adapter itself was made with, which
   * `@prisma/adapter-pg` tells.
   */
  readonly connection?: ConnectionConfig
  /**
   * Whether statements that come again are prepared under a name, which takes more than half of the server's
   * work off a short one: `directQuery`, the repositories, and the first 200 texts that Prisma sends for a
   * third time. For `@prisma/adapter-pg`, without a `statementNameGenerator` of your own. Default: true.
   *
   * False behind a transaction-pooling proxy that does not carry prepared statements, such as PgBouncer before
   * 1.21 or with `max_prepared_statements` 0. False also where PostgreSQL is to plan for the values of each call: after
   * five it may settle for one plan for all, unless `plan_cache_mode` says otherwise.
   */
  readonly preparedStatements?: boolean
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
  options = readOptions(options, ['connection', 'preparedStatements'], 'options')
  const connection = options.connection ?? (adapter as { config?: ConnectionConfig }).config
  return new LockableFactory(adapter, connection, parseFlag(options.preparedStatements ?? true, 'options.preparedStatements'))
}

function assertPostgresAdapter(adapter: SqlDriverAdapterFactory): void {
  if (typeof adapter !== 'object' || adapter === null || typeof propertyOf(adapter, 'connect') !== 'function') {
    throw new InvalidOptionError('adapter', adapter, 'a Prisma driver adapter, such as `new PrismaPg({ connectionString })`')
  }
  const provider = propertyOf(adapter, 'provider')
  if (provider !== 'postgres') {
    throw new InvalidOptionError('adapter', provider, 'a driver adapter for PostgreSQL (its `provider` is `postgres`)')
  }
}

class LockableFactory implements SqlDriverAdapterFactory {
  readonly provider
  readonly adapterName
  /** For who asks what a client sends: `rowlock doctor`. */
  readonly preparesStatements: boolean
  readonly #inner: SqlDriverAdapterFactory
  readonly #connection: ConnectionConfig | undefined

  constructor(inner: SqlDriverAdapterFactory, connection: ConnectionConfig | undefined, prepares: boolean) {
    this.provider = inner.provider
    this.adapterName = inner.adapterName
    this.#inner = inner
    this.#connection = connection
    this.preparesStatements = prepares
    setDirectRoute(this, undefined)
  }

  async connect(): Promise<SqlDriverAdapter> {
    const inner = await this.#inner.connect()
    const { passFreely } = inner as { passFreely?: RunBeside }
    const side = this.#connection === undefined ? undefined : new SideConnection(this.#connection, passFreely)
    const repeated = new RepeatedStatements()
    if (this.preparesStatements) nameStatements(inner, repeated)
    const adapter = new LockableAdapter(inner, side, repeated, () => setDirectRoute(this, undefined))
    const direct = withDescribedQueries(inner)
    setDirectRoute(this, { send: (query) => repeated.send(prepared(query), () => direct.queryRaw(query)), side })
    return adapter
  }

  /** The driver adapter's own options, where it shows them: raw SQL must name the same `schema` as Prisma. */
  get options(): unknown {
    return (this.#inner as { options?: unknown }).options
  }
}

class LockableAdapter implements SqlDriverAdapter {
  readonly provider
  readonly adapterName
  readonly #inner: SqlDriverAdapter
  readonly #side: SideConnection | undefined
  readonly #watch: LockWatch | undefined
  readonly #repeated: RepeatedStatements
  readonly #onDispose: () => void

  constructor(inner: SqlDriverAdapter, side: SideConnection | undefined, repeated: RepeatedStatements, onDispose: () => void) {
    this.provider = inner.provider
    this.adapterName = inner.adapterName
    this.#inner = inner
    this.#side = side
    this.#watch = side && new LockWatch(side)
    this.#repeated = repeated
    this.#onDispose = onDispose
  }

  async queryRaw(query: SqlQuery): Promise<SqlResultSet> {
    const request = findLockRequest(query)
    if (!request) return this.#send(query)
    if (!request.update) throw refuse(request, outsideTransaction())
    return queryLocked(query, request, (locked) => this.#send(locked))
  }

  executeRaw(query: SqlQuery): Promise<number> {
    return this.#repeated.send(query, () => this.#inner.executeRaw(query))
  }

  #send(query: SqlQuery): Promise<SqlResultSet> {
    return this.#repeated.send(query, () => this.#inner.queryRaw(query))
  }

  executeScript(script: string): Promise<void> {
    return this.#inner.executeScript(script)
  }

  async startTransaction(...args: Parameters<SqlDriverAdapter['startTransaction']>): Promise<Transaction> {
    const state = new TransactionState(this.#side)
    const opening = findTransactionOpening()
    if (!opening) return this.#lockable(await explained(this.#inner.startTransaction(...args)), state)
    const { lockTimeout, label } = opening
    const limits = {
      lockTimeout,
      label,
      onPid: (pid: number) => void (state.pid = pid),
      onRefusal: ({ code, detail }: PgError) => {
        if (code === SQL_STATE.deadlockDetected) state.deadlockDetail = detail
      },
    }
    const { transaction, limited, sendWithCommit } = await explained(startTransaction(this.#inner, args[0], limits))
    state.sendWithCommit = sendWithCommit
    if (limited) opening.state = state
    return this.#lockable(transaction, state)
  }

  #lockable(inner: Transaction, state: TransactionState): Transaction {
    return new LockableTransaction(inner, state, this.#repeated, this.#watch)
  }

  getConnectionInfo() {
    return this.#inner.getConnectionInfo?.() ?? { supportsRelationJoins: true }
  }

  async dispose(): Promise<void> {
    this.#onDispose()
    await Promise.all([this.#side?.close(), this.#inner.dispose()])
  }

  /** The driver's own pool, where the adapter shows it. */
  underlyingDriver(): unknown {
    return (this.#inner as { underlyingDriver?: () => unknown }).underlyingDriver?.()
  }
}

type Send = (query: SqlQuery) => Promise<SqlResultSet>

const NO_ROWS: SqlResultSet = { columnNames: [], columnTypes: [], rows: [] }

class LockableTransaction implements Transaction {
  readonly provider
  readonly adapterName
  readonly options
  readonly #inner: Transaction
  readonly #state: TransactionState
  readonly #repeated: RepeatedStatements
  readonly #watch: LockWatch | undefined

  constructor(inner: Transaction, state: TransactionState, repeated: RepeatedStatements, watch: LockWatch | undefined) {
    this.provider = inner.provider
    this.adapterName = inner.adapterName
    this.options = inner.options
    this.#inner = inner
    this.#state = state
    this.#repeated = repeated
    this.#watch = watch
  }

  async queryRaw(query: SqlQuery): Promise<SqlResultSet> {
    const observer = offerTransactionState(query.sql, this.#state)
    const last = this.#lastCall()
    if (last) return this.#queryLast(query, last)
    const request = findLockRequest(query)
    return this.#state.run(() => {
      if (request) return this.#queryLocked(query, request)
      return observer ? this.#observed(observer, (send) => send(query)) : this.#send(query)
    })
  }

  async executeRaw(query: SqlQuery): Promise<number> {
    const statement = () => this.#inner.executeRaw(query)
    if (query.sql === 'COMMIT' || query.sql === 'ROLLBACK') return (await this.#state.end(statement, query.sql === 'COMMIT')) ?? 0
    const last = this.#lastCall()
    if (last) return this.#runLast(query, last, (final) => this.#inner.executeRaw(final))
    return this.#state.run(() => this.#noting(query, statement))
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
    await this.#state.openSavepoint(name, async () => this.#inner.createSavepoint?.(name))
  }

  async rollbackToSavepoint(name: string): Promise<void> {
    await this.#inner.rollbackToSavepoint?.(name)
    this.#state.abortedBy = undefined
    this.#state.closeSavepoint(name)
  }

  async releaseSavepoint(name: string): Promise<void> {
    await this.#state.run(async () => this.#inner.releaseSavepoint?.(name))
    this.#state.closeSavepoint(name)
  }

  #send(query: SqlQuery): Promise<SqlResultSet> {
    return this.#noting(query, () => this.#inner.queryRaw(query))
  }

  /** The last call, when the statement that arrives now is its: nothing else is sent from when it is made. */
  #lastCall(): LastCall | undefined {
    const { lastCall } = this.#state
    return lastCall?.sent === false ? lastCall : undefined
  }

  async #queryLast(query: SqlQuery, last: LastCall): Promise<SqlResultSet> {
    try {
      return await this.#runLast(query, last, (final) => this.#inner.queryRaw(final))
    } catch (error) {
      // Of no row Prisma itself makes the error that it always makes of it.
      if (saysNoRow(driverErrorCause(error)?.['originalMessage'])) return NO_ROWS
      throw error
    }
  }

  async #runLast<T>(query: SqlQuery, last: LastCall, send: (query: SqlQuery) => Promise<T>): Promise<T> {
    const { sendWithCommit } = this.#state
    try {
      assertIsWrite(query.sql)
    } catch (error) {
      throw refuse(last, error as Error)
    }
    const final = last.requiresRow ? { ...query, sql: requiringRow(query.sql) } : query
    return this.#state.runLast(last, (report) => sendWithCommit!(() => this.#noting(final, () => send(final)), report))
  }

  /** A statement that fails by its name has aborted the transaction; run again, it has none. */
  async #noting<T>(query: SqlQuery, statement: () => Promise<T>): Promise<T> {
    try {
      return await statement()
    } catch (error) {
      if (this.#repeated.failedByName(query, error)) this.#state.failedByName = true
      throw error
    }
  }

  async #queryLocked(query: SqlQuery, request: LockRequest): Promise<SqlResultSet> {
    const { observer } = request
    const lock = (send: Send) => queryLocked(query, request, send)
    try {
      return await (observer ? this.#observed(observer, lock) : lock((locked) => this.#send(locked)))
    } catch (error) {
      if (errorSqlState(error) === SQL_STATE.lockNotAvailable) await this.#findBlockers(query, request)
      throw error
    }
  }

  #observed(observer: LockObserver, lock: (send: Send) => Promise<SqlResultSet>): Promise<SqlResultSet> {
    const pid = () => this.#state.pid ?? backendPidOf(this.#inner)
    return observeLock({ state: this.#state, watch: this.#watch, pid }, observer, (query) => this.#send(query), lock)
  }

  async #findBlockers(query: SqlQuery, request: LockRequest): Promise<void> {
    const lockers = lockersStatement(query, request.skip)
    const blockers = lockers && (await this.#state.side?.findBlockers(lockers))
    if (blockers) request.blockers = blockers
  }
}

/** A plain `$transaction` that gets no connection fails past all extensions, which explain the errors of queries. */
async function explained<T>(starting: Promise<T>): Promise<T> {
  try {
    return await starting
  } catch (error) {
    throw explainWithCode(classifyError(error, { subject: 'the transaction' }), error)
  }
}

async function queryLocked(query: SqlQuery, request: LockRequest, send: Send): Promise<SqlResultSet> {
  try {
    return await runLockedStatement(query, request, send)
  } catch (error) {
    throw request.applied || !(error instanceof Error) ? error : refuse(request, error)
  }
}

function outsideTransaction(): LockOutsideTransactionError {
  return new LockOutsideTransactionError(
    'The locked query reached the database outside a transaction, where its lock would be released at once; ' +
      'call it on the client that `$transaction(async (tx) => …)` passes in.',
  )
}

/** Leaves the refusal on the request: Prisma rewrites errors that carry a `code`. */
function refuse(request: LockRequest | LastCall, error: Error): Error {
  request.refusal = error
  return error
}
