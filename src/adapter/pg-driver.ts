import type { SqlDriverAdapter, Transaction } from './driver-adapter.js'

/** A query as `@prisma/adapter-pg` gives it to `pg`. */
export interface QueryConfig {
  readonly text: string
  readonly values: readonly unknown[]
  readonly queryMode?: 'extended'
}

// What is used of the classes of `pg`, and what `pg-cursor` uses of them as well.
export interface PgConnection {
  readonly submittedNamedStatements?: Record<string, string>
  parse(statement: { text: string }): void
  bind(portal: object): void
  execute(portal: object): void
  flush(): void
}
export interface PgQuery {
  name: string | undefined
  prepare(connection: PgConnection): void
  handleCommandComplete(message: CommandComplete, connection: PgConnection): void
  handleDataRow(message: DataRow): void
  handleError(error: unknown, connection: PgConnection): void
}
/** An error of the server, as `pg` has it. */
export interface PgError {
  readonly severity: string
  readonly code?: string
  readonly detail?: string
}
interface CommandComplete {
  /** The command tag: `INSERT 0 1`, `COMMIT` … */
  readonly text?: string
}
interface DataRow {
  readonly fields: readonly unknown[]
}
type PgQueryClass = new (config: QueryConfig, values: undefined, callback: (error: Error | null, result?: unknown) => void) => PgQuery
export interface PgClient {
  readonly connection?: PgConnection
  query(query: QueryConfig | PgQuery): Promise<unknown>
  release(error?: unknown): void
  on(event: string, listener: () => void): unknown
  removeListener(event: string, listener: () => void): unknown
}
interface PgPool {
  connect(): Promise<PgClient>
}
interface PgAdapter {
  readonly client?: unknown
  underlyingDriver?(): unknown
}

/** The pool of `pg` that an adapter sends by; undefined when it is another adapter than `@prisma/adapter-pg`. */
export function poolOf(adapter: SqlDriverAdapter): PgPool | undefined {
  if (adapter.adapterName !== '@prisma/adapter-pg') return undefined
  const pool = (adapter as PgAdapter).underlyingDriver?.()
  return pool !== undefined && pool === (adapter as PgAdapter).client ? (pool as PgPool) : undefined
}

/** The backend of a transaction's connection as `pg` knows it: behind a pooler, the pooler's own number for it. */
export function backendPidOf(transaction: Transaction): number | undefined {
  const { client } = transaction as { readonly client?: { readonly processID?: unknown } }
  return typeof client?.processID === 'number' ? client.processID : undefined
}

/** Whether several statements can be sent in one round trip. Not so with `pg-native`, whose classes are others. */
export function canPipe(client: PgClient): boolean {
  const query = queryClassOf(client)?.prototype as Partial<PgQuery> | undefined
  return typeof query?.prepare === 'function' && typeof client.connection?.flush === 'function'
}

export const queryClassOf = (client: PgClient) => (client.constructor as { Query?: PgQueryClass }).Query
