import type { GatedStatement } from '../../adapter/statement-gate.js'
import type { StatementAccess } from '../../explorer/name-anomaly.js'
import type { Footprint } from '../../explorer/schedule.js'

/** What is known of the database's tables, by their bare names. */
export interface Relations {
  isTable(name: string): boolean
  /** True for a view, a partitioned table, and what else stands for rows of other tables. */
  isIndirect(name: string): boolean
  /** True when writing to the table runs a trigger. */
  hasTrigger(table: string): boolean
  /** The tables that `table` refers to by foreign keys: a write to it locks rows there. */
  parentsOf(table: string): readonly string[]
  /** The tables that refer to `table`: a write to it may cascade there. */
  childrenOf(table: string): readonly string[]
}

const TOKEN = /"((?:[^"]|"")+)"|([a-z_][\w$]*)(\s*\()?/gi
const TARGET = /\b(?:INTO|UPDATE|DELETE\s+FROM)\s+(?:ONLY\s+)?(?:(?:"(?:[^"]|"")+"|[\w$]+)\s*\.\s*)?(?:"((?:[^"]|"")+)"|([\w$]+))/gi
const LOCKING = /\bFOR\s+(?:NO\s+KEY\s+UPDATE|UPDATE|KEY\s+SHARE|SHARE)\b/gi
const NO_TARGET = /\bDO\s+UPDATE\b/gi
const STRINGS_AND_COMMENTS = /'(?:[^']|'')*'|\/\*.*?\*\/|--[^\n]*/gs
const VALUE = /\$(\d+)|'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b/g
const KNOWN_VERB = /^\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|SAVEPOINT|SET|SHOW|BEGIN|COMMIT|ROLLBACK|RELEASE)\b/i
// Functions that touch nothing but their arguments, and SQL's own words that may stand before a parenthesis.
const HARMLESS =
  /^(?:count|sum|avg|min|max|coalesce|nullif|greatest|least|abs|round|floor|ceil|mod|lower|upper|length|concat|jsonb?_(?:build_object|build_array|agg|object_agg)|to_jsonb?|array_agg|string_agg|row_number|now|clock_timestamp|date_trunc|extract|generate_series|unnest|set_config|current_setting|pg_backend_pid|cast|numeric|decimal|varchar|char|timestamptz|timestamp|in|exists|values|and|or|not|any|all|some|array|row|as|on|by|is|over|case|when|then|else|set|conflict|filter|returning|select|where|from|join|using|lateral|union|except|intersect|distinct|limit|offset|materialized|having|between|like|ilike|order|group)$/i

const none: ReadonlySet<string> = new Set()
const UNKNOWN: Footprint = { reads: none, writes: none, publishes: none, takesSnapshot: false, unknown: true }

/** What the transactions of one actor have written and locked so far, by transaction. */
export class FootprintTracker {
  readonly #written = new Map<number, Set<string>>()
  readonly #begun = new Set<number>()
  /** Transactions that have done something nobody knows, which their end then publishes. */
  readonly #opaque = new Set<number>()

  constructor(private readonly relations: Relations) {}

  /** The footprint of a statement that waits at the gate. */
  of(statement: GatedStatement): Footprint {
    const { transaction, isolationLevel } = statement
    if (isolationLevel?.toUpperCase() === 'SERIALIZABLE') return UNKNOWN
    if (endsWork(statement.sql)) {
      if (transaction === undefined || this.#opaque.has(transaction)) return UNKNOWN
      return { reads: none, writes: none, publishes: this.#written.get(transaction) ?? none, takesSnapshot: false, unknown: false }
    }
    const { reads, writes, unknown } = parse(statement.sql, this.relations)
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
    const { writes, unknown } = parse(statement.sql, this.relations)
    if (unknown) this.#opaque.add(transaction)
    const written = this.#written.get(transaction) ?? new Set()
    for (const table of writes) written.add(table)
    this.#written.set(transaction, written)
  }
}

/** The tables that a statement reads, and those it writes or locks. */
export function tablesOf(sql: string, relations: Relations): { reads: ReadonlySet<string>; writes: ReadonlySet<string> } {
  return parse(sql, relations)
}

/** What a statement was told to do, for the name of an anomaly. */
export function accessOf(sql: string, args: readonly unknown[], relations: Relations): StatementAccess {
  const plain = sql.replace(STRINGS_AND_COMMENTS, ' ').replace(LOCKING, ' ')
  const writes = new Set(targetsOf(plain))
  const reads = new Set(tokensOf(plain).filter((name) => relations.isTable(name) && !writes.has(name)))
  const where = /\bWHERE\b(.*)/is.exec(sql)?.[1] ?? ''
  const values = [...where.matchAll(VALUE)].map(([text, parameter]) => (parameter ? String(args[Number(parameter) - 1]) : text))
  return { reads, writes, inserts: /\bINSERT\s+INTO\b/i.test(plain), condition: [where.replace(VALUE, '?'), values.join()] }
}

const endsWork = (sql: string) => /^\s*(?:COMMIT|ROLLBACK|RELEASE)\b/i.test(sql)

/** By the names in it: a name too many costs time, one too few would lose schedules. */
function parse(raw: string, relations: Relations): { reads: Set<string>; writes: Set<string>; unknown: boolean } {
  const sql = raw.replace(STRINGS_AND_COMMENTS, ' ')
  const plain = sql.replace(LOCKING, ' ')
  const names = tokensOf(plain)
  const mentioned = names.filter((name) => relations.isTable(name))
  const writes = new Set<string>()
  if (plain !== sql) for (const table of mentioned) writes.add(table)
  for (const table of targetsOf(plain)) addWritten(writes, table, relations, /\b(?:UPDATE|DELETE)\b/i.test(plain))
  const unknown =
    !KNOWN_VERB.test(sql) ||
    callsUnknownFunction(plain, relations) ||
    names.some((name) => relations.isIndirect(name) || /^pg_(?!backend_pid$)|^information_schema$/.test(name)) ||
    [...writes].some((table) => relations.hasTrigger(table))
  return { reads: new Set(mentioned.filter((table) => !writes.has(table))), writes, unknown }
}

/** A write also locks the rows it refers to, and an update or a delete may cascade to those that refer to it. */
function addWritten(writes: Set<string>, table: string, relations: Relations, cascades: boolean): void {
  writes.add(table)
  for (const parent of relations.parentsOf(table)) writes.add(parent)
  if (!cascades) return
  for (const child of relations.childrenOf(table)) if (!writes.has(child)) addWritten(writes, child, relations, true)
}

function targetsOf(plain: string): string[] {
  return [...plain.replace(NO_TARGET, ' ').matchAll(TARGET)].map(([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare!.toLowerCase())
}

function tokensOf(plain: string): string[] {
  return [...plain.matchAll(TOKEN)].map(([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare!.toLowerCase())
}

function callsUnknownFunction(plain: string, relations: Relations): boolean {
  for (const [, quoted, bare, parenthesis] of plain.matchAll(TOKEN)) {
    if (quoted === undefined && parenthesis && !HARMLESS.test(bare!) && !relations.isTable(bare!.toLowerCase())) return true
  }
  return false
}
