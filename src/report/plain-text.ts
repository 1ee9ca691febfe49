import { stripVTControlCharacters } from 'node:util'

/** Nothing in what an operation read or threw may move the cursor, colour the terminal or break a lane. */
const CONTROL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** Text for one line. */
export const inOneLine = (text: string): string => stripVTControlCharacters(text).replace(/\s+/g, ' ').replace(CONTROL, '').trim()

/** Text of one or more lines. */
export const inLines = (text: string): string[] =>
  stripVTControlCharacters(text)
    .split(/\r?\n/)
    .map((line) => line.replaceAll('\t', '  ').replace(CONTROL, '').trimEnd())

/** `1 row`, `2 rows`, `no rows`. */
export const count = (number: number, noun: string): string => `${number === 0 ? 'no' : number} ${noun}${number === 1 ? '' : 's'}`

/** `a`, `a and b`, `a, b and c`. */
export const list = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)!}`

/** Lines of at most `width` characters, broken between words; one longer word stays whole, to be copied. */
export function wrap(line: string, width: number): string[] {
  const indent = /^\s*/.exec(line)![0]
  const lines: string[] = []
  for (const word of line.trim().split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length < width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(indent + word)
  }
  return lines
}

/** What an error says in the end: Prisma puts the call site first and what went wrong on the last line. */
export const lastLineOf = (message: string): string => message.trim().split('\n').at(-1) ?? ''
