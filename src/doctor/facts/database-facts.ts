import type { Connection, OpenConnection } from '../connection.js'
import { readPoolerFacts, type PoolerFacts } from './pooler-facts.js'

/** What the server says about itself and the tables of the database. */
export interface DatabaseFacts {
  /** PostgreSQL's version as a number: 180004 for 18.4. */
  readonly version: number
  /** Whether it is a standby. */
  readonly inRecovery: boolean
  /** How many sessions the client's user may have at most: of the server, the database and the role the smallest. */
  readonly connectionLimit: number
  readonly settings: Settings
  readonly pooler: PoolerFacts
  readonly foreignKeys: readonly ForeignKey[]
  readonly indexes: readonly TableIndex[]
}

/** A session's own values; times in milliseconds, 0 for none. */
export interface Settings {
  readonly lockTimeout: number
  readonly statementTimeout: number
  readonly idleInTransactionTimeout: number
  /** 0 before PostgreSQL 17, which does not have it. */
  readonly transactionTimeout: number
  readonly deadlockTimeout: number
  readonly synchronousCommit: string
  readonly fsync: string
  readonly fullPageWrites: string
  readonly isolation: string
  readonly readOnly: string
}

export interface Table {
  readonly schema: string
  readonly table: string
}

export interface ForeignKey extends Table {
  readonly columns: readonly string[]
  /** The table that it refers to. */
  readonly parent: string
}

export interface TableIndex extends Table {
  /** In the index's order; an expression is an empty name. */
  readonly columns: readonly string[]
}

const SETTINGS: Readonly<Record<keyof Settings, string>> = {
  lockTimeout: 'lock_timeout',
  statementTimeout: 'statement_timeout',
  idleInTransactionTimeout: 'idle_in_transaction_session_timeout',
  transactionTimeout: 'transaction_timeout',
  deadlockTimeout: 'deadlock_timeout',
  synchronousCommit: 'synchronous_commit',
  fsync: 'fsync',
  fullPageWrites: 'full_page_writes',
  isolation: 'default_transaction_isolation',
  readOnly: 'default_transaction_read_only',
}

// pg_settings has every time in the setting's own unit, which for all of these is a millisecond.
const SELECT_SETTINGS = 'SELECT name, setting FROM pg_settings WHERE name = ANY($1::text[])'

const SELECT_SERVER = `
  SELECT current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS "inRecovery",
    least(
      current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true), '0')::int,
      (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()),
      (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user)
    ) AS "connectionLimit"`

// A partition's key is its parent's.
const SELECT_FOREIGN_KEYS = `
  SELECT nspname AS schema, c.relname AS "table", parent.relname AS parent, ARRAY(
      SELECT attname::text FROM unnest(conkey) WITH ORDINALITY AS key(number, position)
      JOIN pg_attribute ON attrelid = conrelid AND attnum = number ORDER BY position
    ) AS columns
  FROM pg_constraint
  JOIN pg_class AS c ON c.oid = conrelid
  JOIN pg_class AS parent ON parent.oid = confrelid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE contype = 'f' AND conparentid = 0
  ORDER BY 1, 2, conname`

const SELECT_INDEXES = `
  SELECT nspname AS schema, c.relname AS "table", ARRAY(
      SELECT coalesce(attname::text, '') FROM unnest(indkey::int2[]) WITH ORDINALITY AS key(number, position)
      LEFT JOIN pg_attribute ON attrelid = indrelid AND attnum = number AND number <> 0
      WHERE position <= indnkeyatts ORDER BY position
    ) AS columns
  FROM pg_index
  JOIN pg_class AS c ON c.oid = indrelid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE indisvalid AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  ORDER BY 1, 2, indexrelid`

/**
 * Asks the server; nothing is written.
 *
 * @throws What the driver throws when the server cannot be asked.
 */
export async function readDatabaseFacts(open: OpenConnection): Promise<DatabaseFacts> {
  const pooler = await readPoolerFacts(open)
  await using connection = await open()
  const [server] = await connection.query<Pick<DatabaseFacts, 'version' | 'inRecovery' | 'connectionLimit'>>(SELECT_SERVER)
  return {
    ...server!,
    settings: await readSettings(connection),
    pooler,
    foreignKeys: await connection.query<ForeignKey>(SELECT_FOREIGN_KEYS),
    indexes: await connection.query<TableIndex>(SELECT_INDEXES),
  }
}

async function readSettings(connection: Connection): Promise<Settings> {
  const rows = await connection.query<{ name: string; setting: string }>(SELECT_SETTINGS, [Object.values(SETTINGS)])
  const values = new Map(rows.map(({ name, setting }) => [name, setting]))
  const text = (name: keyof Settings) => values.get(SETTINGS[name]) ?? ''
  return {
    lockTimeout: Number(text('lockTimeout')),
    statementTimeout: Number(text('statementTimeout')),
    idleInTransactionTimeout: Number(text('idleInTransactionTimeout')),
    transactionTimeout: Number(text('transactionTimeout')),
    deadlockTimeout: Number(text('deadlockTimeout')),
    synchronousCommit: text('synchronousCommit'),
    fsync: text('fsync'),
    fullPageWrites: text('fullPageWrites'),
    isolation: text('isolation'),
    readOnly: text('readOnly'),
  }
}
