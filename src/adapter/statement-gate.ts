import type { SqlDriverAdapter, SqlDriverAdapterFactory, SqlQuery, SqlResultSet, Transaction } from './driver-adapter.js'

/** One statement on its way to PostgreSQL, as a {@link StatementGate} sees it. */
export interface GatedStatement {
  readonly sql: string
  readonly args: readonly unknown[]
  /** The transaction it belongs to, numbered from 1 for each gate; undefined outside transactions. */
  readonly transaction: number | undefined
  /** The isolation level the transaction was opened with, in SQL's words; undefined for the default. */
  readonly isolationLevel: string | undefined
}

/** What came back: rows read or written, for a history of the run. */
export interface StatementOutcome {
  readonly rows: number
  readonly values?: readonly (readonly unknown[])[]
  readonly columns?: readonly string[]
}

/** Decides when each statement of a client may go on to PostgreSQL. */
export interface StatementGate {
  /** Runs `send` when the statement may go; its result or error is the statement's. */
  pass<T>(statement: GatedStatement, send: () => Promise<T>, describe: (result: T) => StatementOutcome): Promise<T>
  /** Told of the work that passes freely: a connection being made, and BEGIN. */
  passFreely<T>(work: () => Promise<T>): Promise<T>
}

/**
 * Makes every statement of a driver adapter wait at `gate`: queries, COMMIT, ROLLBACK and savepoints.
 * BEGIN passes freely, as it conflicts with nothing and takes no snapshot.
 */
export function gated(factory: SqlDriverAdapterFactory, gate: StatementGate): SqlDriverAdapterFactory {
  let transactions = 0
  const nextTransaction = () => ++transactions
  return {
    provider: factory.provider,
    adapterName: factory.adapterName,
    connect: async () => new GatedAdapter(await factory.connect(), gate, nextTransaction),
  }
}

const describeRows = ({ rows, columnNames }: SqlResultSet): StatementOutcome => ({
  rows: rows.length,
  values: rows,
  columns: columnNames,
})
const describeCount = (count: number): StatementOutcome => ({ rows: count })
const describeNothing = (): StatementOutcome => ({ rows: 0 })

class GatedAdapter implements SqlDriverAdapter {
  readonly provider
  readonly adapterName

  constructor(
    private readonly inner: SqlDriverAdapter,
    private readonly gate: StatementGate,
    private readonly nextTransaction: () => number,
  ) {
    this.provider = inner.provider
    this.adapterName = inner.adapterName
  }

  queryRaw(query: SqlQuery): Promise<SqlResultSet> {
    return this.gate.pass(autocommit(query), () => this.inner.queryRaw(query), describeRows)
  }

  executeRaw(query: SqlQuery): Promise<number> {
    return this.gate.pass(autocommit(query), () => this.inner.executeRaw(query), describeCount)
  }

  executeScript(script: string): Promise<void> {
    return this.gate.pass(autocommit({ sql: script, args: [] }), () => this.inner.executeScript(script), describeNothing)
  }

  async startTransaction(...args: Parameters<SqlDriverAdapter['startTransaction']>): Promise<Transaction> {
    const inner = await this.gate.passFreely(() => this.inner.startTransaction(...args))
    return new GatedTransaction(inner, this.gate, this.nextTransaction(), args[0])
  }

  /** For what a wrapper does on a connection of its own while the client waits for it. */
  passFreely = <T>(work: () => Promise<T>): Promise<T> => this.gate.passFreely(work)

  getConnectionInfo() {
    return this.inner.getConnectionInfo?.() ?? { supportsRelationJoins: true }
  }

  dispose(): Promise<void> {
    return this.inner.dispose()
  }
}

const autocommit = ({ sql, args }: { sql: string; args: readonly unknown[] }): GatedStatement => ({
  sql,
  args,
  transaction: undefined,
  isolationLevel: undefined,
})

class GatedTransaction implements Transaction {
  readonly provider
  readonly adapterName
  readonly options

  constructor(
    private readonly inner: Transaction,
    private readonly gate: StatementGate,
    private readonly transaction: number,
    private readonly isolationLevel: string | undefined,
  ) {
    this.provider = inner.provider
    this.adapterName = inner.adapterName
    this.options = inner.options
  }

  queryRaw(query: SqlQuery): Promise<SqlResultSet> {
    return this.gate.pass(this.#statement(query.sql, query.args), () => this.inner.queryRaw(query), describeRows)
  }

  executeRaw(query: SqlQuery): Promise<number> {
    return this.gate.pass(this.#statement(query.sql, query.args), () => this.inner.executeRaw(query), describeCount)
  }

  commit(): Promise<void> {
    return this.options.usePhantomQuery ? this.#pass('COMMIT', () => this.inner.commit()) : this.inner.commit()
  }

  rollback(): Promise<void> {
    return this.options.usePhantomQuery ? this.#pass('ROLLBACK', () => this.inner.rollback()) : this.inner.rollback()
  }

  createSavepoint(name: string): Promise<void> {
    return this.#pass(`SAVEPOINT ${name}`, async () => this.inner.createSavepoint?.(name))
  }

  rollbackToSavepoint(name: string): Promise<void> {
    return this.#pass(`ROLLBACK TO SAVEPOINT ${name}`, async () => this.inner.rollbackToSavepoint?.(name))
  }

  releaseSavepoint(name: string): Promise<void> {
    return this.#pass(`RELEASE SAVEPOINT ${name}`, async () => this.inner.releaseSavepoint?.(name))
  }

  #pass(sql: string, send: () => Promise<void>): Promise<void> {
    return this.gate.pass(this.#statement(sql, []), send, describeNothing)
  }

  #statement(sql: string, args: readonly unknown[]): GatedStatement {
    return { sql, args, transaction: this.transaction, isolationLevel: this.isolationLevel }
  }
}
