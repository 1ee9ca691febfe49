import type { SqlDriverAdapter, Transaction } from './driver-adapter.js'

type IsolationLevel = Parameters<SqlDriverAdapter['startTransaction']>[0]

/** What the first round trip of a transaction does beside BEGIN and its first statement. */
export interface TransactionLimits {
  /** How long each statement may wait for a lock, in milliseconds. */
  readonly lockTimeout: number
  /** Told the number of the backend that runs the transaction; of a pooler's, the driver knows the pooler's only. */
  readonly onPid: (pid: number) => void
}

/** A query as `@prisma/adapter-pg` gives it to `pg`. */
interface QueryConfig {
  readonly text: string
  readonly values: readonly unknown[]
  readonly queryMode?: 'extended'
}

// What is used of the classes of `pg`, and what `pg-cursor` uses of them as well.
interface PgConnection {
  readonly submittedNamedStatements?: Record<string, string>
  parse(statement: { text: string }): void
  bind(portal: object): void
  execute(portal: object): void
  flush(): void
}
interface PgQuery {
  name: string | undefined
  prepare(connection: PgConnection): void
  handleCommandComplete(message: object, connection: PgConnection): void
  handleDataRow(message: DataRow): void
  handleError(error: unknown, connection: PgConnection): void
}
interface DataRow {
  readonly fields: readonly unknown[]
}
type PgQueryClass = new (config: QueryConfig, values: undefined, callback: (error: Error | null, result?: unknown) => void) => PgQuery
interface PgClient {
  readonly connection?: PgConnection
  query(query: QueryConfig | PgQuery): Promise<unknown>
  release(error?: unknown): void
  on(event: string, listener: () => void): unknown
  removeListener(event: string, listener: () => void): unknown
}
interface PgAdapter {
  readonly client?: unknown
  underlyingDriver?(): unknown
}

const NO_ROWS = { fields: [], rows: [], rowCount: 0 }
const NO_STATEMENT: QueryConfig = { text: '', values: [], queryMode: 'extended' }

/**
 * Starts a transaction that sends BEGIN and its limits together with its first statement, in one round trip,
 * where the driver is `pg` by way of `@prisma/adapter-pg`. With any other it starts as ever, and has
 * no limits.
 */
export async function startTransaction(
  adapter: SqlDriverAdapter,
  isolationLevel: IsolationLevel,
  limits: TransactionLimits,
): Promise<{ readonly transaction: Transaction; readonly limited: boolean }> {
  const pool = poolOf(adapter)
  if (!pool) return { transaction: await adapter.startTransaction(isolationLevel), limited: false }
  let late: LateBeginClient | undefined
  const connect = async () => {
    const client = await pool.connect()
    if (canBeginLate(client)) late = new LateBeginClient(client, limits)
    return late ?? client
  }
  // The adapter's own code, on a pool whose client keeps BEGIN back.
  const view = Object.create(adapter, { client: { value: { connect } } }) as SqlDriverAdapter
  const transaction = await view.startTransaction(isolationLevel)
  late?.keepBackNoMore()
  return { transaction, limited: late !== undefined }
}

function poolOf(adapter: SqlDriverAdapter): { connect(): Promise<PgClient> } | undefined {
  if (adapter.adapterName !== '@prisma/adapter-pg') return undefined
  const pool = (adapter as PgAdapter).underlyingDriver?.()
  return pool !== undefined && pool === (adapter as PgAdapter).client ? (pool as ReturnType<typeof poolOf>) : undefined
}

const queryClassOf = (client: PgClient) => (client.constructor as { Query?: PgQueryClass }).Query

/** Not so with `pg-native`, whose classes are others. */
function canBeginLate(client: PgClient): boolean {
  const query = queryClassOf(client)?.prototype as Partial<PgQuery> | undefined
  return typeof query?.prepare === 'function' && typeof client.connection?.flush === 'function'
}

/**
 * A client of the pool for one transaction.
 *
 * ```
 * keeping back ──started──▶ nothing sent ──first statement──▶ begun ──BEGIN failed──▶ failed
 *                                └──COMMIT, ROLLBACK──▶ done, nothing sent
 * ```
 */
class LateBeginClient {
  readonly #client: PgClient
  readonly #limits: TransactionLimits
  readonly #keptBack: string[] = []
  #keeping = true
  /** Settled when the first round trip is over. */
  #begun: Promise<void> | undefined
  /** Why there is no transaction: what is sent now would be committed statement by statement. */
  #failure: { readonly error: unknown } | undefined

  constructor(client: PgClient, limits: TransactionLimits) {
    this.#client = client
    this.#limits = limits
  }

  keepBackNoMore(): void {
    this.#keeping = false
  }

  async query(config: QueryConfig): Promise<unknown> {
    if (this.#keeping) {
      this.#keptBack.push(config.text)
      return NO_ROWS
    }
    if (!this.#begun) {
      if (endsTransaction(config)) return NO_ROWS
      // What has no parameters may be several statements, and these PostgreSQL takes in a message of their own only.
      const goesAlong = config.values.length > 0
      const first = this.#begin(goesAlong ? config : NO_STATEMENT)
      this.#begun = first.then(ignore, ignore)
      if (goesAlong) return first
    }
    // Not left to the driver's own queue, which would send it also when there is no transaction.
    await this.#begun
    return this.#failure ? this.#refuse(config, this.#failure.error) : this.#client.query(config)
  }

  /** The connection may still be in a transaction, when it is the driver that failed: it must not go back so. */
  async #refuse(config: QueryConfig, error: unknown): Promise<unknown> {
    if (endsTransaction(config)) await this.#client.query({ text: 'ROLLBACK', values: [] })
    if (config.text === 'ROLLBACK') return NO_ROWS
    throw error
  }

  #begin(config: QueryConfig): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const query = new (queryClassOf(this.#client)!)(config, undefined, (error, result) => {
        if (!error) return resolve(result)
        if (!beginning.hasBegun) this.#failure = { error }
        reject(error)
      })
      const beginning = sendBehindBegin(query, this.#keptBack, this.#limits)
      void this.#client.query(query)
    })
  }

  release(error?: unknown): void {
    this.#client.release(error)
  }

  on(event: string, listener: () => void): unknown {
    return this.#client.on(event, listener)
  }

  removeListener(event: string, listener: () => void): unknown {
    return this.#client.removeListener(event, listener)
  }
}

/**
 * Makes a query send BEGIN before itself. All goes out before one Sync: when BEGIN fails, PostgreSQL skips
 * what follows, which sent as a message of its own would run outside any transaction.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
 */
function sendBehindBegin(
  query: PgQuery,
  begin: readonly string[],
  { lockTimeout, onPid }: TransactionLimits,
): { readonly hasBegun: boolean } {
  const { name } = query
  const own = Object.getPrototypeOf(query) as PgQuery
  const statements = [...begin, `SELECT pg_backend_pid(), set_config('lock_timeout', '${lockTimeout}ms', true)`]
  let answered = 0
  const isOver = () => answered === statements.length
  query.prepare = (connection) => {
    for (const text of statements) execute(connection, text)
    // Or the number of the backend would come with the answer of a statement that waits for a lock.
    connection.flush()
    own.prepare.call(query, connection)
    // The client takes each answer to a Parse for that of the named statement.
    query.name = undefined
  }
  query.handleCommandComplete = (message, connection) => {
    if (isOver()) return own.handleCommandComplete.call(query, message, connection)
    answered++
    if (isOver()) query.name = name
  }
  query.handleDataRow = (message) => (isOver() ? own.handleDataRow.call(query, message) : onPid(Number(message.fields[0])))
  query.handleError = (error, connection) => {
    if (!isOver() && name !== undefined) delete connection.submittedNamedStatements?.[name]
    own.handleError.call(query, error, connection)
  }
  return {
    get hasBegun() {
      return answered > 0
    },
  }
}

function execute(connection: PgConnection, text: string): void {
  connection.parse({ text })
  connection.bind({})
  connection.execute({})
}

const endsTransaction = ({ text }: QueryConfig) => text === 'COMMIT' || text === 'ROLLBACK'

const ignore = () => undefined
