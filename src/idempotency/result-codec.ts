import { isDate, isUint8Array } from 'node:util/types'
import { Decimal } from '@prisma/client/runtime/client'
import { readable } from '../core/option-checks.js'
import { InvalidOptionError } from '../core/errors.js'

/** What JSON can hold. */
export type JsonValue = string | number | boolean | { [key: string]: JsonValue | null } | (JsonValue | null)[]

type Encoded = JsonValue | null

/** How a value is encoded, and where in it the encoder is. */
interface Position {
  /** Names the value in an error: `result.items[3]`. */
  readonly path: string
  /** The objects around it. */
  readonly around: readonly object[]
  /** Whether a field that is undefined is told from one that is not there. */
  readonly keepUndefined: boolean
}

const ALLOWED =
  'a value that can be stored: null, undefined, a boolean, number, string, bigint, valid Date, Decimal or Uint8Array, ' +
  'or an array or plain object of them, without cycles and at most 250 levels deep'

// Prisma 7.10 overflows the stack somewhere between 1,000 and 3,000 levels, and `$entries` makes three of one.
const MAX_DEPTH = 250

// jsonb has no NUL and no lone surrogates.
const UNSTORABLE_TEXT = /[\0\p{Surrogate}]/u
// `$` marks what JSON has no notation for, and Prisma 7.10 copies JSON by assignment, which loses `__proto__`.
const UNSTORABLE_KEY = /^\$|^__proto__$|[\0\p{Surrogate}]/u

/**
 * Writes a value as JSON, so that {@link decodeResult} gives back the same values and types. What JSON has no
 * notation for becomes an object with one key that begins with `$`, such as `{ $date: '2026-…' }`; an
 * object that has such a key itself becomes `{ $entries: [[key, value], …] }`.
 *
 * @throws {InvalidOptionError} with the path of what cannot be stored.
 */
export function encodeResult(value: unknown): JsonValue {
  // A required column takes no null.
  return encodeReadable(value, { path: 'result', around: [], keepUndefined: true }) ?? { $null: true }
}

/**
 * The text that equal values have in common and no others: objects are equal when they have the same fields,
 * in any order, and an undefined field is as good as none.
 *
 * @throws {InvalidOptionError} with the path of what has no such text.
 */
export function canonicalText(value: unknown, path: string): string {
  return JSON.stringify(encodeReadable(value, { path, around: [], keepUndefined: false }))
}

/** Reads what {@link encodeResult} wrote. */
export function decodeResult(json: unknown): unknown {
  if (typeof json !== 'object' || json === null) return json
  if (Array.isArray(json)) return json.map(decodeResult)
  const entries = Object.entries(json)
  const [tag, content] = entries[0] ?? []
  const decode = tag === undefined ? undefined : DECODERS.get(tag)
  return decode ? decode(content as never) : decodeEntries(entries)
}

const DECODERS = new Map<string, (content: never) => unknown>([
  ['$null', () => null],
  ['$undefined', () => undefined],
  ['$number', (text: string) => Number(text)],
  ['$string', (text: string) => JSON.parse(text) as unknown],
  ['$bigint', (text: string) => BigInt(text)],
  ['$date', (text: string) => new Date(text)],
  ['$decimal', (text: string) => new Decimal(text)],
  ['$bytes', (text: string) => new Uint8Array(Buffer.from(text, 'base64'))],
  ['$entries', (entries: [unknown, unknown][]) => decodeEntries(entries.map(([key, value]) => [decodeResult(key) as string, value]))],
])

function decodeEntries(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  return Object.fromEntries(entries.map(([key, value]) => [key, decodeResult(value)]))
}

/** Getters and proxies in it may throw anything. */
const encodeReadable = (value: unknown, position: Position): Encoded => readable(value, position.path, () => encode(value, position))

function encode(value: unknown, position: Position): Encoded {
  switch (typeof value) {
    case 'boolean':
      return value
    case 'string':
      // Of JSON's text jsonb gets the backslashes, and not what they stand for.
      return UNSTORABLE_TEXT.test(value) ? { $string: JSON.stringify(value) } : value
    case 'number':
      // Prisma 7.10 reads the last digit of some fractions wrong: 1.0003368830236001e-297 came back without its 001.
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? value : { $number: Object.is(value, -0) ? '-0' : String(value) }
    case 'bigint':
      return { $bigint: value.toString() }
    case 'undefined':
      return { $undefined: true }
    case 'object':
      return value === null ? null : encodeObject(value, position)
    default:
      throw refuse(value, position)
  }
}

function encodeObject(value: object, position: Position): Encoded {
  if (Array.isArray(value)) return encodeArray(value, position)
  if (isPlainObject(value)) return encodeFields(value, position)
  if (isDate(value) && !Number.isNaN(value.getTime())) return { $date: value.toISOString() }
  // A Buffer would come back as the Uint8Array that it is not.
  if (isUint8Array(value) && !Buffer.isBuffer(value)) return { $bytes: Buffer.from(value).toString('base64') }
  // `valueOf` keeps the sign of zero, and does not write out 1e9000000.
  if (Decimal.isDecimal(value)) return { $decimal: value.valueOf() }
  throw refuse(value, position)
}

function encodeArray(value: readonly unknown[], position: Position): Encoded {
  // Not so for one with holes or with fields of its own.
  if (Object.keys(value).length !== value.length) throw refuse(value, position)
  const inside = enter(value, position)
  return value.map((item, index) => encode(item, at(`[${index}]`, inside)))
}

function encodeFields(value: object, position: Position): Encoded {
  const inside = enter(value, position)
  const [symbol] = Object.getOwnPropertySymbols(value)
  if (symbol) throw refuse(symbol, at(`[${String(symbol)}]`, inside))
  const entries = Object.entries(value)
    .filter(([, field]) => position.keepUndefined || field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, field]): [string, Encoded] => [key, encode(field, at(`.${key}`, inside))])
  if (!entries.some(([key]) => UNSTORABLE_KEY.test(key))) return Object.fromEntries(entries)
  return { $entries: entries.map(([key, field]) => [encode(key, inside), field]) }
}

function enter(value: object, position: Position): Position {
  const { around } = position
  if (around.includes(value) || around.length >= MAX_DEPTH) throw refuse(value, position)
  return { ...position, around: [...around, value] }
}

const at = (step: string, position: Position): Position => ({ ...position, path: position.path + step })

/** Of any realm: one whose prototype, if it has one, is nobody's child. */
function isPlainObject(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function refuse(value: unknown, { path }: Position): InvalidOptionError {
  return new InvalidOptionError(path, value, ALLOWED)
}
