import type postgres from 'postgres'
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
  /** The transaction since which nothing has changed, as xmin shows it. */
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
    await this.#createReset()
    const [{ xid }] = await this.#sql<[{ xid: string }]>`SELECT pg_current_xact_id()::xid::text AS xid`
    this.#cleanSince = xid
  }

  /** Puts every changed table and every sequence back. */
  async reset(): Promise<void> {
    const [{ xid }] = await this.#sql<
      [{ xid: string }]
    >`SELECT ${this.#sql(this.#schema)}.reset(${this.#cleanSince}::text::xid)::text AS xid`
    this.#cleanSince = xid
  }

  /** Forgets the copies. */
  async forget(): Promise<void> {
    await this.#sql.unsafe(`DROP SCHEMA IF EXISTS ${this.#schema} CASCADE`)
  }

  /** All rows of all tables as text, without what differs from run to run; equal states are equal texts. */
  async readState(): Promise<string> {
    const selects = this.#tables.map((table) => {
      const drop = table.volatileColumns.map((column) => ` - ${literal(column)}`).join('')
      return `SELECT ${literal(table.name)} AS "table", (to_jsonb(t)${drop})::text AS row FROM ${quoted(table)} AS t`
    })
    if (selects.length === 0) return ''
    const rows = await this.#sql.unsafe<{ table: string; row: string }[]>(`${selects.join(' UNION ALL ')} ORDER BY 1, 2`)
    return rows.map(({ table, row }) => `${table} ${row}`).join('\n')
  }

  /**
   * A function in the database resets in one round trip, with plans that stay. Rows that are younger than
   * the transaction it is given, or more or fewer of them than now, are a change; it returns its own.
   */
  async #createReset(): Promise<void> {
    const restores = await Promise.all(
      this.#tables.map(async (table) => {
        const [{ count }] = await this.#sql.unsafe<[{ count: string }]>(`SELECT count(*) AS count FROM ${quoted(table)}`)
        const columns = table.columns.map(quote).join(', ')
        return `
          IF EXISTS (SELECT 1 FROM ${quoted(table)} WHERE age(xmin) < age(since)) OR (SELECT count(*) FROM ${quoted(table)}) <> ${count} THEN
            changed := true;
            DELETE FROM ${quoted(table)};
            INSERT INTO ${quoted(table)} (${columns}) OVERRIDING SYSTEM VALUE SELECT ${columns} FROM ${this.#copyOf(table)};
          END IF;`
      }),
    )
    const sequences = await this.#sql<{ name: string; value: string; called: boolean }[]>`
      SELECT format('%I.%I', schemaname, sequencename) AS name, coalesce(last_value, start_value)::text AS value, last_value IS NOT NULL AS called
      FROM pg_sequences WHERE NOT starts_with(schemaname, ${COPIES})`
    const setvals = sequences.map(({ name, value, called }) => `PERFORM setval(${literal(name)}, ${value}, ${called});`)
    const body = `
      DECLARE changed boolean := false;
      BEGIN
        ${restores.join('')}
        IF NOT changed THEN RETURN since; END IF;
        ${setvals.join(' ')}
        RETURN pg_current_xact_id()::xid;
      END`
    await this.#sql.unsafe(
      `CREATE FUNCTION ${this.#schema}.reset(since xid) RETURNS xid LANGUAGE plpgsql SET session_replication_role = replica AS ${literal(body)}`,
    )
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

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`
const quote = (name: string) => `"${name.replaceAll('"', '""')}"`
const quoted = ({ schema, name }: Table) => `${quote(schema)}.${quote(name)}`
