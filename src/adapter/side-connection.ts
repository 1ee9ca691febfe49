import { setTimeout as sleep } from 'node:timers/promises'
import { parseIntoClientConfig } from 'pg-connection-string'
import postgres from 'postgres'
import type { LockBlocker } from '../core/errors.js'
import { readWithoutWaiting } from './read-without-waiting.js'

/**
 * How to reach the server beside the pool: a URL, or the options of `pg`.
 *
 * @inline
 */
export type ConnectionConfig = string | Readonly<Record<string, unknown>>

/** Runs work that is no statement of the client, but that the client waits for. */
export type RunBeside = <T>(work: () => Promise<T>) => Promise<T>

// In milliseconds.
const SEARCH_TIME = 1_000
const MAX_GROUPS = 10

/**
 * A connection beside Prisma's pool, opened on first use and closed when idle: a transaction that
 * waits for a lock can only be cancelled, or asked about, from another session, and the pool may be
 * full of such transactions.
 */
export class SideConnection {
  readonly #config: ConnectionConfig
  readonly #run: RunBeside
  #sql: postgres.Sql | undefined
  #searching = false

  constructor(config: ConnectionConfig, run: RunBeside = (work) => work()) {
    this.#config = config
    this.#run = run
  }

  /** Cancels the statement that the backend `pid` is running, if any. Never throws. */
  async cancel(pid: number): Promise<void> {
    try {
      await this.#run(async () => this.#open()`SELECT pg_cancel_backend(${pid})`)
    } catch {
      // A server that cannot be reached has cancelled nothing; the caller's own limits still hold.
    }
  }

  /**
   * Who holds the rows that `query` reads, by their `xmax`. One search at a time: when many callers are
   * refused at once, the server has better things to do than to explain each refusal.
   */
  findBlockers(query: { readonly sql: string; readonly args: readonly unknown[] }): Promise<LockBlocker[] | undefined> {
    return this.#search(() => this.#readBlockers(query))
  }

  /** Who holds the advisory lock `key`, of this database; like {@link findBlockers} one search at a time. */
  findAdvisoryLockHolders(key: bigint): Promise<LockBlocker[] | undefined> {
    return this.#search(async () => [...(await withinSearchTime(this.#open(), (sql) => advisoryLockHolders(sql, key)))])
  }

  /** Runs a query that reads who waits for whom, and waits for nobody itself. */
  read<Row extends object>(query: string): Promise<readonly Row[]> {
    return this.#run(() => readWithoutWaiting<Row>(this.#open(), query))
  }

  /** What the server says about other sessions; undefined when it does not, or not within a second. Never throws. */
  async ask<T>(read: (sql: postgres.Sql) => Promise<T>): Promise<T | undefined> {
    try {
      return await this.#run(() => withinSearchTime(this.#open(), read))
    } catch {
      return undefined
    }
  }

  async close(): Promise<void> {
    const sql = this.#sql
    this.#sql = undefined
    await sql?.end({ timeout: 1 })
  }

  /** Gives up early: the caller's transaction keeps its other locks meanwhile. */
  async #search(read: () => Promise<LockBlocker[]>): Promise<LockBlocker[] | undefined> {
    if (this.#searching) return undefined
    this.#searching = true
    const found = Promise.resolve()
      .then(() => this.#run(read))
      .catch(() => undefined)
      .finally(() => (this.#searching = false))
    const timer = new AbortController()
    const late = sleep(SEARCH_TIME, undefined, { signal: timer.signal }).catch(() => undefined)
    try {
      return await Promise.race([found, late])
    } finally {
      timer.abort()
    }
  }

  async #readBlockers(query: { readonly sql: string; readonly args: readonly unknown[] }): Promise<LockBlocker[]> {
    const search = <T>(read: (sql: postgres.Sql) => Promise<T>) => withinSearchTime(this.#open(), read)
    const lockers = await search((sql) => sql.unsafe<{ xmax: string }[]>(query.sql, query.args.map(toParameter) as never[]))
    const xids = [...new Set(lockers.map(({ xmax }) => xmax))].filter((xmax) => xmax !== '0')
    if (xids.length === 0) return []
    const holders = await search((sql) => sql<LockBlocker[]>`${holdersOf(sql, xids)}`)
    if (holders.length > 0) return [...holders]
    const groups = xids.slice(0, MAX_GROUPS).map((xid) => search((sql) => membersOf(sql, xid)).catch(() => []))
    const members = (await Promise.all(groups)).flat()
    return members.length === 0 ? [] : [...(await search((sql) => sql<LockBlocker[]>`${holdersOf(sql, members)}`))]
  }

  #open(): postgres.Sql {
    this.#sql ??= postgres({
      ...toPostgresOptions(this.#config),
      // A search and a look at who waits, which may take their time, must not hold up a cancel.
      max: 3,
      idle_timeout: 2,
      connect_timeout: 5,
      onnotice: () => undefined,
      // PgBouncer refuses a connection with settings that it does not know, and may not carry prepared statements.
      connection: { application_name: 'rowlock' },
      prepare: false,
    })
    return this.#sql
  }
}

/** The fields of a {@link LockBlocker}, of a session that the query calls `activity`. */
export const blocker = (sql: postgres.Sql) => sql`
  activity.pid, application_name AS "applicationName", state, query,
    (extract(epoch FROM clock_timestamp() - xact_start) * 1000)::float8 AS "transactionAge"`

/** The sessions of those transactions that still run: each holds the lock on its own number. */
const holdersOf = (sql: postgres.Sql, xids: readonly string[]) => sql`
  SELECT DISTINCT ${blocker(sql)}
  FROM unnest(${xids as string[]}::text[]) AS xid
  JOIN pg_locks ON locktype = 'transactionid' AND transactionid::text = xid AND mode = 'ExclusiveLock' AND granted
  JOIN pg_stat_activity AS activity ON activity.pid = pg_locks.pid`

/**
 * A row held by several transactions carries the number of their group (a multixact) in xmax. Numbers
 * of finished transactions are among those that are asked for, and no groups: PostgreSQL answers these with an error.
 */
async function membersOf(sql: postgres.Sql, xid: string): Promise<string[]> {
  const members = await sql<{ xid: string }[]>`SELECT xid::text FROM pg_get_multixact_members(${xid}::text::xid)`
  return members.map((member) => member.xid)
}

/** The server ends it in time; not as a setting of the session, which a pooler shares with others. */
function withinSearchTime<T>(sql: postgres.Sql, read: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const work = async (tx: postgres.TransactionSql) => {
    await tx.unsafe(`SET LOCAL statement_timeout = ${SEARCH_TIME}`)
    return read(tx as unknown as postgres.Sql)
  }
  return sql.begin('READ ONLY', work) as Promise<T>
}

/** pg_locks shows a bigint key as two halves. */
const advisoryLockHolders = (sql: postgres.Sql, key: bigint) => sql<LockBlocker[]>`
  SELECT ${blocker(sql)}
  FROM pg_locks JOIN pg_stat_activity AS activity USING (pid)
  WHERE locktype = 'advisory' AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) = ${String(key)}::text::bigint
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND granted`

// Prisma renders dates and bytes as values that pg knows; postgres.js wants text for unknown types.
const toParameter = (value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value)

// By name: a pool of pg hides its password from enumeration.
const SERVER_OPTIONS = ['host', 'port', 'user', 'password', 'database', 'ssl'] as const

/** The part of pg's configuration that says where the server is and who asks. */
function toPostgresOptions(config: ConnectionConfig): postgres.Options<Record<string, never>> {
  const given: Readonly<Record<string, unknown>> = typeof config === 'string' ? { connectionString: config } : config
  const { connectionString } = given
  const parsed: object = typeof connectionString === 'string' ? parseIntoClientConfig(connectionString) : {}
  const own = Object.fromEntries(SERVER_OPTIONS.map((name) => [name, given[name]]))
  const { host, port, user, password, database, ssl } = { ...definedOnly(own), ...definedOnly(parsed) }
  return definedOnly({ host, port: port === undefined ? undefined : Number(port), user, password, database, ssl })
}

function definedOnly(values: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}
