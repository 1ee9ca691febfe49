/** What rowlock must know of a SELECT that Prisma rendered, in order to add a locking clause to it. */
export interface SelectStatement {
  /** Everything before the root FROM: the SELECT list. */
  readonly selectList: string
  /** From the root FROM up to, not including, the OFFSET. */
  readonly body: string
  /** The number of the placeholder in the closing `OFFSET $n`. */
  readonly offsetPlaceholder: number
  /** The quoted name or alias by which the statement knows the root table. */
  readonly rootAlias: string
  /** The root table as written after FROM. */
  readonly rootTable: string
  /** True when the statement also reads something else than the root table: a join or a subquery. */
  readonly readsMore: boolean
  /** A comment after the statement (Prisma's sqlcommenter plugins append one), or ''. */
  readonly trailingComment: string
}

const CLOSING_OFFSET = /\sOFFSET \$(\d+)\s*((?:\/\*[^]*?\*\/\s*)?)$/
const IDENTIFIER = '"(?:[^"]|"")+"'
const ROOT_TABLE = new RegExp(`^FROM ((?:${IDENTIFIER}\\.)*(${IDENTIFIER}))(?: AS (${IDENTIFIER}))?`)
// Quoted identifiers, strings and comments are stepped over; only the bare words count.
const STEPPED_OVER = `"(?:[^"]|"")*"|'(?:[^']|'')*'|/\\*[^]*?\\*/`
const TOKENS = new RegExp(`${STEPPED_OVER}|[()]|\\b(?:FROM|JOIN|SELECT)\\b`, 'g')

/**
 * Reads the parts of a root SELECT as Prisma 7 renders it, or returns undefined for anything that does
 * not look like one: the caller then refuses the lock instead of guessing.
 */
export function parseSelectStatement(sql: string): SelectStatement | undefined {
  const offset = CLOSING_OFFSET.exec(sql)
  if (!offset || !sql.startsWith('SELECT ')) return undefined

  const root = findRoot(sql.slice(0, offset.index))
  if (!root) return undefined
  const table = ROOT_TABLE.exec(sql.slice(root.from))
  if (!table) return undefined

  return {
    selectList: sql.slice(0, root.from),
    body: sql.slice(root.from, offset.index),
    offsetPlaceholder: Number(offset[1]),
    rootTable: table[0].slice('FROM '.length),
    rootAlias: (table[3] ?? table[2])!,
    readsMore: root.readsMore,
    trailingComment: offset[2]!.trim(),
  }
}

function findRoot(sql: string): { from: number; readsMore: boolean } | undefined {
  let depth = 0
  let from: number | undefined
  let words = 0
  for (const { 0: token, index } of sql.matchAll(TOKENS)) {
    if (token === '(') depth++
    else if (token === ')') depth--
    else if (token === 'FROM') {
      if (depth === 0) from ??= index
    } else if (token === 'JOIN' || token === 'SELECT') words++
  }
  return from === undefined ? undefined : { from, readsMore: words > 1 }
}

const CLAUSES = new RegExp(`${STEPPED_OVER}|[()]|\\b(?:WHERE|ORDER BY|LIMIT)\\b`, 'g')

/** The body of a {@link SelectStatement} with a condition more. */
export function withCondition(body: string, condition: string): string {
  const clauses = findClauses(body)
  const end = clauses.get('ORDER BY') ?? clauses.get('LIMIT') ?? body.length
  const where = clauses.get('WHERE')
  if (where === undefined) return `${body.slice(0, end).trimEnd()} WHERE ${condition} ${body.slice(end)}`
  const own = body.slice(where + 'WHERE'.length, end).trim()
  return `${body.slice(0, where)}WHERE (${own}) AND ${condition} ${body.slice(end)}`
}

/** Where each clause of the statement itself begins: those of subqueries stand in parentheses. */
function findClauses(body: string): ReadonlyMap<string, number> {
  const clauses = new Map<string, number>()
  let depth = 0
  for (const { 0: token, index } of body.matchAll(CLAUSES)) {
    if (token === '(') depth++
    else if (token === ')') depth--
    else if (depth === 0 && !clauses.has(token)) clauses.set(token, index)
  }
  return clauses
}
