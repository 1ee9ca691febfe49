import type { GatedStatement } from '../../adapter/statement-gate.js'
import type { Footprint } from '../../explorer/schedule.js'

/** Which tables refer to which, by foreign keys: a write to one locks rows of the other. */
export interface ForeignKeys {
  /** The tables that `table` refers to. */
  parentsOf(table: string): readonly string[]
  /** The tables that refer to `table`. */
  childrenOf(table: string): readonly string[]
}

const NAME = String.raw`(?:"(?:[^"]|"")+"|[a-z_][\w$]*)`
const TABLE = new RegExp(String.raw`\b(FROM|JOIN|INTO|UPDATE|USING)\s+(?:ONLY\s+)?((?:${NAME}\.)?${NAME})`, 'gi')
const LOCKING = /\bFOR\s+(?:NO\s+KEY\s+UPDATE|UPDATE|KEY\s+SHARE|SHARE)\b/i
const STRINGS = /'(?:[^']|'')*'/g
// Functions that Prisma renders and that touch nothing but their arguments, and SQL's own words that look like calls.
const HARMLESS = /^(?:count|sum|avg|min|max|coalesce|jsonb_build_object|jsonb_agg|json_agg|json_build_object|set_config|current_setting|in|exists|values|and|or|not|any|all|as|over|case|when|then|lower|upper|now|clock_timestamp|pg_backend_pid|numeric|decimal|varchar|timestamptz|set|on|conflict|filter|returning|select|where|from|cast|greatest|least|abs|round|generate_series|unnest|materialized)$/i

const none: ReadonlySet<string> = new Set()
const UNKNOWN: Footprint = { reads: none, writes: none, publishes: none, takesSnapshot: false, unknown: true }

/** What the transactions of one actor have written and locked so far, by transaction. */
export class FootprintTracker {
  readonly #written = new Map<number, Set<string>>()
  readonly #begun = new Set<number>()

  constructor(private readonly foreignKeys: ForeignKeys) {}

  /** The footprint of a statement that waits at the gate. */
  of(statement: GatedStatement): Footprint {
    const { transaction, isolationLevel } = statement
    if (isolationLevel?.toUpperCase() === 'SERIALIZABLE') return UNKNOWN
    if (endsWork(statement.sql)) {
      return { reads: none, writes: none, publishes: this.#written.get(transaction ?? 0) ?? none, takesSnapshot: false, unknown: false }
    }
    const { reads, writes, unknown } = parse(statement.sql, this.foreignKeys)
    if (unknown) return UNKNOWN
    const first = transaction !== undefined && !this.#begun.has(transaction)
    return {
      reads,
      writes,
      publishes: transaction === undefined ? writes : none,
      takesSnapshot: first && isolationLevel?.toUpperCase() === 'REPEATABLE READ',
      unknown: false,
    }
  }

  /** Told that a statement has been sent. */
  sent(statement: GatedStatement): void {
    const { transaction } = statement
    if (transaction === undefined) return
    this.#begun.add(transaction)
    const { writes } = parse(statement.sql, this.foreignKeys)
    const written = this.#written.get(transaction) ?? new Set()
    for (const table of writes) written.add(table)
    this.#written.set(transaction, written)
  }
}

/** The tables that a statement reads and writes, by their bare names. */
export function tablesOf(sql: string, foreignKeys: ForeignKeys): { reads: ReadonlySet<string>; writes: ReadonlySet<string> } {
  return parse(sql, foreignKeys)
}

const endsWork = (sql: string) => /^\s*(?:COMMIT|ROLLBACK|RELEASE)\b/i.test(sql)

function parse(raw: string, foreignKeys: ForeignKeys): { reads: Set<string>; writes: Set<string>; unknown: boolean } {
  const sql = raw.replace(STRINGS, "''")
  const reads = new Set<string>()
  const writes = new Set<string>()
  const locks = LOCKING.test(sql)
  for (const [, keyword, name] of sql.replace(LOCKING_WORDS, ' ').matchAll(TABLE)) {
    const table = bareName(name!)
    const isWrite = /INTO|UPDATE/i.test(keyword!) || (/FROM/i.test(keyword!) && /\bDELETE\s+FROM\s+(?:ONLY\s+)?$/i.test(sqlBefore(sql, name!)))
    if (isWrite || locks) addWrite(writes, table, foreignKeys)
    else reads.add(table)
  }
  return { reads, writes, unknown: callsUnknownFunction(sql) || !/^\s*(?:\/\*.*?\*\/\s*)?(?:SELECT|INSERT|UPDATE|DELETE|WITH|SAVEPOINT|SET|SHOW|BEGIN|COMMIT|ROLLBACK|RELEASE)\b/i.test(sql) }
}

const LOCKING_WORDS = /\bFOR\s+(?:NO\s+KEY\s+)?UPDATE\b|\bDO\s+UPDATE\b|\bON\s+(?:UPDATE|DELETE)\b/gi

const sqlBefore = (sql: string, name: string) => sql.slice(0, sql.indexOf(name))

/** A write also locks the rows it refers to, and a delete or a new key looks at those that refer to it. */
function addWrite(writes: Set<string>, table: string, foreignKeys: ForeignKeys): void {
  writes.add(table)
  for (const parent of foreignKeys.parentsOf(table)) writes.add(parent)
  for (const child of foreignKeys.childrenOf(table)) writes.add(child)
}

function callsUnknownFunction(sql: string): boolean {
  for (const [, name] of sql.matchAll(/\b([a-z_]\w*)\s*\(/gi)) if (!HARMLESS.test(name!)) return true
  return false
}

function bareName(qualified: string): string {
  const last = /(?:"((?:[^"]|"")+)"|([\w$]+))$/.exec(qualified)!
  return last[1]?.replaceAll('""', '"') ?? last[2]!.toLowerCase()
}
