import { parseIntoClientConfig } from 'pg-connection-string'
import postgres from 'postgres'
import type { LockBlocker } from '../core/errors.js'

/** How to reach the server beside the pool: a URL, or the options of `pg`. */
export type ConnectionConfig = string | Readonly<Record<string, unknown>>

/**
 * One connection beside Prisma's pool, opened on first use and closed when idle: a transaction that
 * waits for a lock can only be cancelled, or asked about, from another session, and the pool may be
 * full of such transactions.
 */
export class SideConnection {
  readonly #config: ConnectionConfig
  #sql: postgres.Sql | undefined
  #lookingForBlockers = false

  constructor(config: ConnectionConfig) {
    this.#config = config
  }

  /** Cancels the statement that the backend `pid` is running, if any. Never throws. */
  async cancel(pid: number): Promise<void> {
    // A server that cannot be reached has cancelled nothing; the caller's own limits still hold.
    await this.#open()`SELECT pg_cancel_backend(${pid})`.catch(() => undefined)
  }

  /**
   * Who holds the rows that `query` reads, by their `xmax`. One search at a time: when many callers are
   * refused at once, the server has better things to do than to explain each refusal.
   */
  async findBlockers(query: { readonly sql: string; readonly args: readonly unknown[] }): Promise<LockBlocker[] | undefined> {
    if (this.#lookingForBlockers) return undefined
    this.#lookingForBlockers = true
    try {
      return await this.#readBlockers(query)
    } catch {
      return undefined
    } finally {
      this.#lookingForBlockers = false
    }
  }

  async close(): Promise<void> {
    const sql = this.#sql
    this.#sql = undefined
    await sql?.end({ timeout: 1 })
  }

  async #readBlockers(query: { readonly sql: string; readonly args: readonly unknown[] }): Promise<LockBlocker[]> {
    const sql = this.#open()
    const lockers = await sql.unsafe<{ xmax: string }[]>(query.sql, query.args.map(toParameter) as never[])
    const xids = [...new Set(lockers.map(({ xmax }) => xmax))].filter((xmax) => xmax !== '0')
    if (xids.length === 0) return []
    const holders = await sql<LockBlocker[]>`${holdersOf(sql, xids)}`
    if (holders.length > 0) return [...holders]
    // A row held by several transactions carries the number of their group (a multixact) in xmax.
    const members = await sql<{ xid: string }[]>`
      SELECT xid::text FROM unnest(${xids}::text[]) AS multi, pg_get_multixact_members(multi::xid)`
    return [...(await sql<LockBlocker[]>`${holdersOf(sql, members.map(({ xid }) => xid))}`)]
  }

  #open(): postgres.Sql {
    this.#sql ??= postgres({
      ...toPostgresOptions(this.#config),
      max: 1,
      idle_timeout: 2,
      connect_timeout: 5,
      onnotice: () => undefined,
      connection: { application_name: 'rowlock', statement_timeout: 2_000 },
    })
    return this.#sql
  }
}

/** The sessions of those transactions that still run: each holds the lock on its own number. */
const holdersOf = (sql: postgres.Sql, xids: readonly string[]) => sql`
  SELECT DISTINCT activity.pid, application_name AS "applicationName", state, query,
    (extract(epoch FROM clock_timestamp() - xact_start) * 1000)::float8 AS "transactionAge"
  FROM unnest(${xids as string[]}::text[]) AS xid
  JOIN pg_locks ON locktype = 'transactionid' AND transactionid::text = xid AND granted
  JOIN pg_stat_activity AS activity ON activity.pid = pg_locks.pid`

// Prisma renders dates and bytes as values that pg knows; postgres.js wants text for unknown types.
const toParameter = (value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value)

/** The part of pg's configuration that says where the server is and who asks. */
function toPostgresOptions(config: ConnectionConfig): postgres.Options<Record<string, never>> {
  const { connectionString, ...rest } = typeof config === 'string' ? { connectionString: config } : config
  const parsed = typeof connectionString === 'string' ? parseIntoClientConfig(connectionString) : {}
  const { host, port, user, password, database, ssl } = { ...definedOnly(rest), ...definedOnly(parsed) }
  return definedOnly({ host, port: port === undefined ? undefined : Number(port), user, password, database, ssl })
}

function definedOnly(values: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}
