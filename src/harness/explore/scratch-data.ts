import postgres from 'postgres'
import type { Relations } from './footprint.js'

interface Table {
  readonly oid: number
  readonly schema: string
  readonly name: string
  /** Columns that can be inserted: generated ones cannot. */
  readonly columns: readonly string[]
  /** Columns that the same work fills differently each time: numbers from sequences, the time of day. */
  readonly volatileColumns: readonly string[]
}

/** Schemas of copies are named so, and are no part of the data. */
const COPIES = 'rowlock_copy_of_'

// The number of the next transaction, as xmin shows it: without the epoch.
const NEXT_TRANSACTION = `SELECT (pg_snapshot_xmax(pg_current_snapshot())::text::bigint & 4294967295)::text AS xid`

/**
 * The rows that every schedule starts from. They are copied once into a schema of their own; a reset
 * finds the tables that a run has changed by the age of their rows, and puts back only those.
 */
export class ScratchData implements Relations {
  readonly #sql: postgres.Sql
  readonly #schema: string
  #tables: readonly Table[] = []
  #names: ReadonlySet<string> = new Set()
  #indirect: ReadonlySet<string> = new Set()
  #triggered: ReadonlySet<string> = new Set()
  #parents = new Map<string, string[]>()
  #children = new Map<string, string[]>()
  #sequences: readonly { name: string; value: string | null }[] = []
  #changedSql = ''
  #cleanSince = '0'

  /** @param moment Which rows these are: copies of two moments can stand side by side. */
  constructor(sql: postgres.Sql, moment: string) {
    this.#sql = sql
    this.#schema = `${COPIES}${moment}`
  }

  isTable = (name: string): boolean => this.#names.has(name)
  isIndirect = (name: string): boolean => this.#indirect.has(name)
  hasTrigger = (table: string): boolean => this.#triggered.has(table)
  parentsOf = (table: string): readonly string[] => this.#parents.get(table) ?? []
  childrenOf = (table: string): readonly string[] => this.#children.get(table) ?? []

  /** Remembers the rows that are there now. */
  async remember(): Promise<void> {
    this.#tables = await readTables(this.#sql)
    this.#names = new Set(this.#tables.map(({ name }) => name))
    await this.#readForeignKeys()
    await this.#readIndirections()
    await this.#sql.unsafe(`DROP SCHEMA IF EXISTS ${this.#schema} CASCADE; CREATE SCHEMA ${this.#schema}`)
    for (const table of this.#tables) await this.#sql.unsafe(`CREATE TABLE ${this.#copyOf(table)} AS SELECT * FROM ${quoted(table)}`)
    this.#sequences = await this.#sql<{ name: string; value: string | null }[]>`
      SELECT format('%I.%I', schemaname, sequencename) AS name, last_value::text AS value FROM pg_sequences WHERE NOT starts_with(schemaname, ${COPIES})`
    await this.#rememberCounts()
  }

  /** Puts every changed table and every sequence back. */
  async reset(): Promise<void> {
    const changed = new Set((await this.#sql.unsafe<{ oid: number }[]>(this.#changedSql, [this.#cleanSince])).map(({ oid }) => oid))
    if (changed.size === 0) return
    const tables = this.#tables.filter(({ oid }) => changed.has(oid))
    const restore = tables.map((table) => {
      const columns = table.columns.map(quote).join(', ')
      return `INSERT INTO ${quoted(table)} (${columns}) OVERRIDING SYSTEM VALUE SELECT ${columns} FROM ${this.#copyOf(table)};`
    })
    const sequences = this.#sequences.map(({ name, value }) =>
      value === null ? `ALTER SEQUENCE ${name} RESTART;` : `SELECT setval('${name.replaceAll("'", "''")}', ${value});`,
    )
    const results = await this.#sql.unsafe(
      `BEGIN; SET LOCAL session_replication_role = replica; ${tables.map((table) => `DELETE FROM ${quoted(table)};`).join(' ')}
       ${restore.join(' ')} ${sequences.join(' ')} COMMIT; ${NEXT_TRANSACTION}`,
    )
    this.#cleanSince = (results as unknown as { xid: string }[][]).at(-1)![0]!.xid
  }

  /** Forgets the copies. */
  async forget(): Promise<void> {
    await this.#sql.unsafe(`DROP SCHEMA IF EXISTS ${this.#schema} CASCADE`)
  }

  /** All rows of all tables as text, without what differs from run to run; equal states are equal texts. */
  async readState(): Promise<string> {
    const selects = this.#tables.map((table) => {
      const drop = table.volatileColumns.map((column) => ` - '${column.replaceAll("'", "''")}'`).join('')
      return `SELECT '${table.name.replaceAll("'", "''")}' AS "table", (to_jsonb(t)${drop})::text AS row FROM ${quoted(table)} AS t`
    })
    if (selects.length === 0) return ''
    const rows = await this.#sql.unsafe<{ table: string; row: string }[]>(`${selects.join(' UNION ALL ')} ORDER BY 1, 2`)
    return rows.map(({ table, row }) => `${table} ${row}`).join('\n')
  }

  /** Rows that are younger than this moment, or more or fewer of them, are a change. */
  async #rememberCounts(): Promise<void> {
    const checks = await Promise.all(
      this.#tables.map(async (table) => {
        const [{ count }] = await this.#sql.unsafe<[{ count: string }]>(`SELECT count(*) AS count FROM ${quoted(table)}`)
        const younger = `EXISTS (SELECT 1 FROM ${quoted(table)} WHERE age(xmin) <= age($1::text::xid))`
        return `SELECT ${table.oid} AS oid WHERE ${younger} OR (SELECT count(*) FROM ${quoted(table)}) <> ${count}`
      }),
    )
    this.#changedSql = checks.join(' UNION ALL ') || 'SELECT 0 AS oid WHERE $1::text IS NULL'
    const [{ xid }] = await this.#sql.unsafe<[{ xid: string }]>(NEXT_TRANSACTION)
    this.#cleanSince = xid
  }

  async #readIndirections(): Promise<void> {
    const relations = await this.#sql<{ name: string; indirect: boolean; triggered: boolean }[]>`
      SELECT relname AS name, relkind <> 'r' AS indirect,
        relhasrules OR EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = class.oid AND NOT tgisinternal) AS triggered
      FROM pg_class AS class JOIN pg_namespace AS namespace ON namespace.oid = relnamespace
      WHERE relkind IN ('r', 'v', 'm', 'f', 'p') AND nspname NOT IN ('pg_catalog', 'information_schema') AND NOT starts_with(nspname, ${COPIES})`
    this.#indirect = new Set(relations.filter(({ indirect }) => indirect).map(({ name }) => name))
    this.#triggered = new Set(relations.filter(({ triggered }) => triggered).map(({ name }) => name))
  }

  #copyOf({ oid }: Table): string {
    return `${this.#schema}.t${oid}`
  }

  async #readForeignKeys(): Promise<void> {
    const rows = await this.#sql<{ child: string; parent: string }[]>`
      SELECT child.relname AS child, parent.relname AS parent FROM pg_constraint
      JOIN pg_class AS child ON child.oid = conrelid JOIN pg_class AS parent ON parent.oid = confrelid WHERE contype = 'f'`
    for (const { child, parent } of rows) {
      this.#parents.set(child, [...(this.#parents.get(child) ?? []), parent])
      this.#children.set(parent, [...(this.#children.get(parent) ?? []), child])
    }
  }
}

async function readTables(sql: postgres.Sql): Promise<Table[]> {
  return sql<Table[]>`
    SELECT class.oid::int AS oid, nspname AS schema, relname AS name,
      array_agg(attname ORDER BY attnum) FILTER (WHERE attgenerated = '') AS columns,
      coalesce(array_agg(attname) FILTER (WHERE attidentity <> '' OR pg_get_expr(adbin, adrelid) LIKE 'nextval(%'
        OR atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype)), '{}') AS "volatileColumns"
    FROM pg_class AS class JOIN pg_namespace AS namespace ON namespace.oid = relnamespace
    JOIN pg_attribute ON attrelid = class.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef ON adrelid = class.oid AND adnum = attnum
    WHERE relkind = 'r' AND nspname NOT IN ('pg_catalog', 'information_schema') AND NOT starts_with(nspname, ${COPIES}) AND nspname NOT LIKE 'pg_toast%' AND relname <> '_prisma_migrations'
    GROUP BY 1, 2, 3 ORDER BY 2, 3`
}

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`
const quoted = ({ schema, name }: Table) => `${quote(schema)}.${quote(name)}`
