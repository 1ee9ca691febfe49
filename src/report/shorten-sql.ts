import { inOneLine } from './plain-text.js'
import { shortenValue } from './shorten-value.js'
import { closingOf, isWord, nextWord, type Token, tokenize } from './sql-tokens.js'

/** The longest a shortened statement is, in characters, beside its locking clause. */
const MAX_LENGTH = 110
const MAX_TOKENS = 2_000

/**
 * A statement as a person would write it down: without schema, quotes, column lists and what Prisma adds to
 * every query, with short parameter values filled in. The locking clause is always there, whole.
 */
export function shortenSql(sql: string, args: readonly unknown[]): string {
  const { body, lock } = shortenParts(sql, args)
  return [body, lock].filter((part) => part !== '').join(' ')
}

/** The same with the locking clause apart, to be shown as what it is. */
export function shortenParts(sql: string, args: readonly unknown[]): { readonly body: string; readonly lock: string } {
  const tokens = PASSES.reduce<readonly Token[]>((before, pass) => pass(before, args), shorterList(tokenize(sql)))
  const at = indexOfLock(tokens)
  return { body: cut(inOneLine(write(tokens.slice(0, at), args))), lock: inOneLine(write(tokens.slice(at), args)) }
}

/** Of a statement with thousands of rows nobody sees the end; its locking clause stays. */
function shorterList(tokens: readonly Token[]): readonly Token[] {
  return tokens.length <= MAX_TOKENS ? tokens : [...tokens.slice(0, MAX_TOKENS), ...tokens.slice(Math.max(MAX_TOKENS, indexOfLock(tokens)))]
}

/** The first table that a statement names, without its schema. */
export function tableOf(sql: string): string | undefined {
  const tokens = tokenize(sql)
  const at = tokens.findIndex((token, index) => isTable(tokens, index) && !isWord(token, '('))
  return at === -1 ? undefined : inOneLine(lastOf(tokens[at]!))
}

/** True when the statement leaves a lock on rows: a write, or a read with a locking clause. */
export function locksRows(sql: string): boolean {
  const tokens = tokenize(sql)
  return tokens.some((token) => isWord(token, 'INSERT', 'UPDATE', 'DELETE', 'MERGE')) || indexOfLock(tokens) < tokens.length
}

/** True when rows come back that were only looked at. */
export const isRead = (sql: string): boolean => isWord(tokenize(sql)[0], 'SELECT')

/** True for what only bounds a transaction: nothing it returns is worth a word. */
export const isBoundary = (sql: string): boolean =>
  isWord(tokenize(sql)[0], 'BEGIN', 'COMMIT', 'ROLLBACK', 'SAVEPOINT', 'RELEASE', 'SET', 'START')

/** True when the statement ends its transaction, and with it the transaction's locks. */
export function endsTransaction(sql: string): boolean {
  const [first, second] = tokenize(sql)
  return isWord(first, 'COMMIT') || (isWord(first, 'ROLLBACK') && !isWord(second, 'TO'))
}

type Pass = (tokens: readonly Token[], args: readonly unknown[]) => readonly Token[]

const PASSES: readonly Pass[] = [
  withoutReturning,
  withoutTypes,
  withoutSelectLists,
  withoutInsertColumns,
  withoutTautologies,
  withoutBrackets,
  withoutLimits,
  withoutQualifiers,
]

function indexOfLock(tokens: readonly Token[]): number {
  let last = tokens.length
  for (const [index, token] of tokens.entries()) {
    // In `substring(a for 3)` and inside a subquery it is not the statement's own.
    if (isWord(token, 'FOR') && isWord(tokens[index + 1], 'UPDATE', 'SHARE', 'NO', 'KEY') && nextWord(tokens, index) === tokens.length)
      last = index
  }
  return last
}

function withoutReturning(tokens: readonly Token[]): readonly Token[] {
  const at = tokens.findIndex((token) => isWord(token, 'RETURNING'))
  return at === -1 ? tokens : [...tokens.slice(0, at), ...tokens.slice(nextWord(tokens, at))]
}

/** `CAST($2 AS "public"."Kind")` says no more than `$2`. */
function withoutTypes(tokens: readonly Token[]): readonly Token[] {
  const at = tokens.findIndex((token, index) => isWord(token, 'CAST') && isWord(tokens[index + 1], '('))
  if (at === -1) return tokens
  const as = nextWord(tokens, at + 2, 'AS')
  return withoutTypes([...tokens.slice(0, at), ...tokens.slice(at + 2, as), ...tokens.slice(closingOf(tokens, at + 1) + 1)])
}

/** `SELECT id, name FROM Wallet` is `SELECT Wallet`, unless the list computes something. */
function withoutSelectLists(tokens: readonly Token[]): readonly Token[] {
  const kept: Token[] = []
  for (let index = 0; index < tokens.length; index++) {
    kept.push(tokens[index]!)
    const from = isWord(tokens[index], 'SELECT') ? nextWord(tokens, index + 1, 'FROM') : -1
    if (!isWord(tokens[from], 'FROM')) continue
    const list = tokens.slice(index + 1, from)
    if (list.every(isPlainColumn)) index = from
    else index += keepWithoutAliases(list, kept)
  }
  return kept
}

const isPlainColumn = (token: Token) => !isWord(token, '(', 'DISTINCT', 'CASE', 'ALL')

function keepWithoutAliases(list: readonly Token[], kept: Token[]): number {
  kept.push(...list.filter((token, index) => !isWord(token, 'AS') && !isWord(list[index - 1], 'AS')))
  return list.length
}

function withoutInsertColumns(tokens: readonly Token[]): readonly Token[] {
  const at = tokens.findIndex((token, index) => isWord(token, '(') && isWord(tokens[index - 2], 'INTO'))
  return at === -1 ? tokens : [...tokens.slice(0, at), ...tokens.slice(closingOf(tokens, at) + 1)]
}

/** Prisma adds `1=1` where a filter is empty. */
function withoutTautologies(tokens: readonly Token[]): readonly Token[] {
  return [
    ['AND', '1', '=', '1'],
    ['1', '=', '1', 'AND'],
    ['WHERE', '1', '=', '1'],
  ].reduce<readonly Token[]>(without, tokens)
}

function without(tokens: readonly Token[], words: readonly string[]): readonly Token[] {
  const at = tokens.findIndex((_, index) => words.every((word, offset) => isWord(tokens[index + offset], word)))
  return at === -1 ? tokens : without([...tokens.slice(0, at), ...tokens.slice(at + words.length)], words)
}

/** `WHERE (…)` and `SET balance = (…)`, where the brackets hold all there is. */
function withoutBrackets(tokens: readonly Token[]): readonly Token[] {
  const at = tokens.findIndex((_, index) => isWord(tokens[index - 1], 'WHERE', '=') && isWholeBracket(tokens, index))
  if (at === -1) return tokens
  const end = closingOf(tokens, at)
  return withoutBrackets([...tokens.slice(0, at), ...tokens.slice(at + 1, end), ...tokens.slice(end + 1)])
}

function isWholeBracket(tokens: readonly Token[], open: number): boolean {
  if (!isWord(tokens[open], '(') || isWord(tokens[open + 1], 'SELECT')) return false
  const after = tokens[closingOf(tokens, open) + 1]
  return after === undefined || isWord(after, ')', ',', 'WHERE', 'ORDER', 'LIMIT', 'OFFSET', 'FOR')
}

/** `LIMIT 1 OFFSET 0` is what a find by key always has; with SKIP LOCKED the limit is the point. */
function withoutLimits(tokens: readonly Token[], args: readonly unknown[]): readonly Token[] {
  const isKey = tokens.some((token) => isWord(token, 'WHERE')) && !tokens.some((token) => isWord(token, 'SKIP'))
  const drops = (index: number, word: string, value: string) => {
    const next = tokens[index + 1]
    return isWord(tokens[index], word) && next !== undefined && writeToken(next, args) === value
  }
  const dropped = (index: number) => drops(index, 'OFFSET', '0') || (isKey && drops(index, 'LIMIT', '1')) || isWord(tokens[index], 'ASC')
  return tokens.filter(
    (token, index) => !dropped(index) && (isWord(tokens[index - 1], 'ASC') || !dropped(index - 1) || isWord(token, 'ASC')),
  )
}

/** Names their table only where there is more than one. */
function withoutQualifiers(tokens: readonly Token[]): readonly Token[] {
  const tables = new Set(tokens.filter((_, index) => isTable(tokens, index)).map(lastOf))
  if (tables.size > 1) return tokens.map((token, index) => lastSegments(token, isTable(tokens, index) ? 1 : 2))
  return tokens.filter((_, index) => !isAlias(tokens, index)).map((token) => lastSegments(token, 1))
}

/** `AS "t0"` after the only table, and `OF "Wallet"` after the locking clause. */
function isAlias(tokens: readonly Token[], index: number): boolean {
  const start = isWord(tokens[index], 'AS', 'OF') ? index : index - 1
  if (isWord(tokens[start], 'OF')) return isWord(tokens[start - 1], 'UPDATE', 'SHARE')
  return isWord(tokens[start], 'AS') && isTable(tokens, start - 1)
}

function isTable(tokens: readonly Token[], index: number): boolean {
  const token = tokens[index]
  if (token === undefined || !isWord(tokens[index - 1], 'FROM', 'JOIN', 'INTO', 'UPDATE', 'ONLY', 'SELECT')) return false
  if (isWord(tokens[index - 1], 'SELECT')) return token.kind === 'name' && isEnd(tokens[index + 1])
  return (
    token.kind === 'name' ||
    (token.kind === 'word' && /^\w/.test(token.text) && !isWord(token, 'ONLY', 'SET', 'OF', 'NOWAIT', 'SKIP', 'SELECT', 'LATERAL'))
  )
}

/** After an elided list the table stands behind SELECT. */
const isEnd = (token: Token | undefined) =>
  token === undefined || isWord(token, 'WHERE', 'ORDER', 'LIMIT', 'OFFSET', 'FOR', 'AS', 'LEFT', 'INNER', 'JOIN', ')')

const lastSegments = (token: Token, count: number): Token =>
  token.kind === 'name' ? { ...token, segments: token.segments.slice(-count) } : token

const lastOf = (token: Token): string => (token.kind === 'name' ? token.segments.at(-1)! : token.kind === 'word' ? token.text : '')

const NO_SPACE_BEFORE = /^[),;\]]$/
const NO_SPACE_AFTER = /[([]$/
/** Words before a bracket that are not the names of functions. */
const NOT_CALLED =
  /^(?:VALUES|IN|AND|OR|NOT|WHERE|FROM|SELECT|AS|ON|EXISTS|BY|SET|UNION|ALL|OF|USING|WITH|MATERIALIZED|CONFLICT|LATERAL|JOIN|[^\w].*)$/i

function write(tokens: readonly Token[], args: readonly unknown[]): string {
  return tokens.reduce((text, token, index) => {
    const before = tokens[index - 1]
    const called = isWord(token, '(') && before?.kind === 'word' && !NOT_CALLED.test(before.text)
    const next = writeToken(token, args)
    const glued = text === '' || called || NO_SPACE_BEFORE.test(next) || NO_SPACE_AFTER.test(text)
    return text + (glued ? '' : ' ') + next
  }, '')
}

function writeToken(token: Token, args: readonly unknown[]): string {
  if (token.kind === 'name') return token.segments.join('.')
  if (token.kind === 'parameter') return token.index in args ? shortenValue(args[token.index]) : `$${token.index + 1}`
  if (token.kind === 'literal' && token.text.length > 24) return "'…'"
  return token.text
}

const cut = (text: string) => (text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH - 1).trimEnd()}…` : text)
