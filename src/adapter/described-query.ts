import { classifyError } from '../core/classify-error.js'
import type { RowLockError } from '../core/errors.js'
import { endsConnection } from '../core/sql-state.js'
import type { SqlDriverAdapter } from './driver-adapter.js'
import { poolOf } from './pg-driver.js'

/** A query as `@prisma/adapter-pg` gives it to `pg`. */
interface QueryConfig {
  readonly text: string
  readonly values: readonly unknown[]
  readonly name?: string | undefined
  readonly types: { getTypeParser(type: number, format: 'text'): (value: string) => unknown }
}

interface Field {
  readonly name: string
  readonly dataTypeID: number
}

interface Result {
  readonly fields: readonly Field[]
  readonly rows: readonly (readonly unknown[])[]
}

// What is used of the classes of `pg`, as by `pg-cursor` and `pg-query-stream`.
interface PgConnection {
  readonly stream: { cork?(): void; uncork?(): void }
  readonly parsedStatements: Record<string, string>
  readonly submittedNamedStatements?: Record<string, string>
  parse(statement: { name: string; text: string }): void
  bind(portal: { statement: string; values: readonly (string | null)[] }): void
  describe(target: { type: 'P'; name: '' }): void
  execute(portal: object): void
  sync(): void
  sendCopyFail(message: string): void
}
interface PgPool {
  readonly options?: { readonly pipeline?: boolean; readonly binary?: boolean }
  readonly Client?: { readonly Query?: { readonly prototype?: { readonly prepare?: unknown } } }
  query(query: QueryConfig | DescribedQuery): Promise<Result>
}

/**
 * An adapter whose named statements ask PostgreSQL for their rows only, and not each time for what columns
 * they have: that and what `pg` does about it is a fifth of this process's work for a short statement. Where the
 * driver is not `pg` by way of `@prisma/adapter-pg`, it is the adapter itself.
 */
export function withDescribedQueries(adapter: SqlDriverAdapter): SqlDriverAdapter {
  const pool = poolOf(adapter) as PgPool | undefined
  if (!pool || !takesOtherQueries(pool)) return adapter
  const query = (config: QueryConfig) => (isPlain(config) ? sendDescribed(pool, config) : pool.query(config))
  return Object.create(adapter, { client: { value: { query } } }) as SqlDriverAdapter
}

async function sendDescribed(pool: PgPool, config: PlainConfig): Promise<Result> {
  const query = new DescribedQuery(config)
  try {
    const result = await pool.query(query)
    if (query.refusal) throw query.refusal.error
    return result
  } catch (error) {
    throw query.isSent ? error : (lostBefore(error) ?? error)
  }
}

/** Of a connection that died while it was being opened, `pg` says what it says of one that died over a statement. */
function lostBefore(error: unknown): RowLockError | undefined {
  const found = classifyError(error, { subject: 'the statement' })
  return found?.code === 'CONNECTION_LOST' ? found : undefined
}

/** Not so with `pg-native`, whose classes are others; in a pipeline `pg` takes queries of its own class only. */
const takesOtherQueries = ({ Client, options }: PgPool): boolean =>
  typeof Client?.Query?.prototype?.prepare === 'function' && !options?.pipeline && !options?.binary

type Plain = string | number | bigint | boolean | null
type PlainConfig = QueryConfig & { readonly name: string; readonly values: readonly Plain[] }

/** Values of other types `pg` has its own ways to write. */
const isPlain = (config: QueryConfig): config is PlainConfig =>
  config.name !== undefined && config.values.every((value) => value === null || typeof value !== 'object')

/** The columns of the statements that a connection has prepared; PostgreSQL refuses to run one whose columns have changed. */
const described = new WeakMap<PgConnection, Map<string, readonly Field[]>>()

/** A query of a class of its own, which `pg` tells of every message that comes back. */
class DescribedQuery {
  // Set by `pg`.
  callback!: (error: unknown, result?: Result) => void
  readonly name: string
  readonly text: string
  readonly values: readonly Plain[]
  /** False as long as it waits for a connection. */
  isSent = false
  /** What the server refused it with. To the pool that is an answer: of a query that failed it would drop the connection. */
  refusal: { readonly error: unknown } | undefined
  readonly #types: QueryConfig['types']
  readonly #rows: unknown[][] = []
  #fields: readonly Field[] | undefined
  /** Of a parser of values that threw: the rest of the answer has still to be read. */
  #failure: { readonly error: unknown } | undefined

  constructor({ name, text, values, types }: PlainConfig) {
    this.name = name
    this.text = text
    this.values = values
    this.#types = types
  }

  submit(connection: PgConnection): void {
    this.isSent = true
    this.#fields = described.get(connection)?.get(this.name)
    connection.stream.cork?.()
    if (!isParsed(connection, this.name)) {
      connection.parse(this)
      if (connection.submittedNamedStatements) connection.submittedNamedStatements[this.name] = this.text
    }
    connection.bind({ statement: this.name, values: this.values.map(toText) })
    if (!this.#fields) connection.describe({ type: 'P', name: '' })
    connection.execute({})
    connection.sync()
    connection.stream.uncork?.()
  }

  handleRowDescription({ fields }: { readonly fields: readonly Field[] }): void {
    this.#fields = fields
  }

  handleDataRow({ fields: values }: { readonly fields: readonly (string | null)[] }): void {
    try {
      this.#rows.push(values.map((value, index) => (value === null ? null : this.#parse(value, index))))
    } catch (error) {
      this.#failure ??= { error }
    }
  }

  #parse(value: string, index: number): unknown {
    return this.#types.getTypeParser(this.#fields![index]!.dataTypeID, 'text')(value)
  }

  handleCommandComplete(_message: object, connection: PgConnection): void {
    this.#fields ??= []
    const known = described.get(connection) ?? new Map<string, readonly Field[]>()
    described.set(connection, known.set(this.name, this.#fields))
  }

  handleReadyForQuery(): void {
    if (this.#failure) this.callback(this.#failure.error)
    else this.callback(null, { fields: this.#fields ?? [], rows: this.#rows })
  }

  handleError(error: unknown, connection: PgConnection): void {
    described.get(connection)?.delete(this.name)
    if (!isAnswer(error)) return this.callback(error)
    this.refusal = { error }
    this.callback(null, { fields: [], rows: [] })
  }

  handleEmptyQuery(): void {}

  handlePortalSuspended(): void {}

  handleCopyInResponse(connection: PgConnection): void {
    connection.sendCopyFail('No source stream defined')
  }

  handleCopyData(): void {}
}

/** Whether the server says no, and goes on with the session. */
function isAnswer(error: unknown): boolean {
  const { code, severity } = error as { readonly code?: unknown; readonly severity?: unknown }
  return typeof severity === 'string' && typeof code === 'string' && !endsConnection(code)
}

const isParsed = ({ parsedStatements, submittedNamedStatements }: PgConnection, name: string) =>
  parsedStatements[name] !== undefined || submittedNamedStatements?.[name] !== undefined

const toText = (value: Plain) => (value === null ? null : String(value))
