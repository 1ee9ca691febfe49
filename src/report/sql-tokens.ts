/**
 * A piece of a statement. Enough for making it shorter: a parser would refuse what it does not know, and
 * a report has to show every statement that PostgreSQL took.
 */
export type Token =
  /** `"public"."Wallet"`, as `['public', 'Wallet']`. */
  | { readonly kind: 'name'; readonly segments: readonly string[] }
  /** An unquoted word, a number or a sign, as written. */
  | { readonly kind: 'word'; readonly text: string }
  /** `$1`, as its place from 0, or a literal. */
  | { readonly kind: 'parameter'; readonly index: number }
  | { readonly kind: 'literal'; readonly text: string }

const QUOTED = '"(?:[^"]|"")*"'
const BARE = String.raw`[\p{L}_][\p{L}\p{N}_$]*`
const CHAIN = String.raw`(?:${QUOTED}|${BARE})(?:\s*\.\s*(?:${QUOTED}|${BARE}|\*))*`
const CAST = String.raw`::\s*${CHAIN}(?:\s*\(\s*\d+(?:\s*,\s*\d+)?\s*\))?(?:\[\])*`
const TOKEN = new RegExp(
  [
    String.raw`(?<skip>\s+|/\*.*?\*/|--[^\n]*|${CAST})`,
    String.raw`(?<literal>[eE]?'(?:[^']|'')*'|\$(?<tag>\w*)\$.*?\$\k<tag>\$)`,
    String.raw`(?<chain>${CHAIN})`,
    String.raw`\$(?<parameter>\d+)`,
    String.raw`(?<word>\d+(?:\.\d+)?|[<>=!~|&+*/%^@#?:-]+|.)`,
  ].join('|'),
  'gsu',
)

/** A statement's tokens, without comments and without `::` casts. */
export function tokenize(sql: string): Token[] {
  return [...sql.matchAll(TOKEN)].flatMap(({ groups }) => toToken(groups!))
}

function toToken({ literal, chain, parameter, word }: Record<string, string | undefined>): Token[] {
  if (literal !== undefined) return [{ kind: 'literal', text: literal }]
  if (parameter !== undefined) return [{ kind: 'parameter', index: Number(parameter) - 1 }]
  if (word !== undefined) return [{ kind: 'word', text: word }]
  if (chain === undefined) return []
  return [/^[^".]+$/.test(chain) ? { kind: 'word', text: chain } : { kind: 'name', segments: segmentsOf(chain) }]
}

const SEGMENT = new RegExp(`${QUOTED}|[^".\\s]+`, 'gu')

const segmentsOf = (chain: string): string[] =>
  [...chain.matchAll(SEGMENT)].map(([segment]) => (segment.startsWith('"') ? segment.slice(1, -1).replaceAll('""', '"') : segment))

/** True for the unquoted word, in capitals or not. */
export const isWord = (token: Token | undefined, ...words: readonly string[]): boolean =>
  token?.kind === 'word' && words.includes(token.text.toUpperCase())

/** The index of the bracket that closes the one at `open`; the last token's when none does. */
export function closingOf(tokens: readonly Token[], open: number): number {
  let depth = 0
  for (let index = open; index < tokens.length; index++) {
    if (isWord(tokens[index], '(')) depth++
    else if (isWord(tokens[index], ')') && --depth === 0) return index
  }
  return tokens.length - 1
}

/** The index of the next of `words` inside the same brackets as `start`; where those end when there is none. */
export function nextWord(tokens: readonly Token[], start: number, ...words: readonly string[]): number {
  let index = start
  while (index < tokens.length && !isWord(tokens[index], ')', ...words)) {
    index = isWord(tokens[index], '(') ? closingOf(tokens, index) + 1 : index + 1
  }
  return Math.min(index, tokens.length)
}
