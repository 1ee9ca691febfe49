import { createHash } from 'node:crypto'
import { InvalidOptionError } from '../core/errors.js'
import { isArray, readable } from '../core/option-checks.js'

/** A key of an advisory lock. A tuple stands for its parts in their order. */
export type AdvisoryLockKey = string | number | bigint | readonly (string | number | bigint)[]

const MIN_INT64 = -(2n ** 63n)
const MAX_INT64 = 2n ** 63n - 1n

/**
 * The 64-bit number under which PostgreSQL knows an advisory lock.
 *
 * - A whole number or bigint is itself, so that other programs can take the same lock.
 * - A string or tuple is hashed: the first 8 bytes of SHA-256, big-endian, as a signed number. Two
 *   different keys share a number with a probability of 2^-64; they would then wait for each other,
 *   which costs time and never safety.
 * - Tuples are hashed with the type and length of each part, so that `['ab', 'c']` and `['a', 'bc']`
 *   differ, as do `['1']` and `[1]`, and `'1'` and `['1']`.
 * - Strings are hashed as UTF-8, in which all unpaired surrogates are the same character.
 *
 * @throws {InvalidOptionError} for an unsafe or fractional number, a bigint beyond 64 bits, an empty tuple, or any other type.
 * @example
 * ```ts
 * advisoryLockKey('nightly-report') // 7825666584319363408n, on every machine
 * advisoryLockKey(42) // 42n
 * ```
 */
export function advisoryLockKey(key: AdvisoryLockKey, option = 'key'): bigint {
  return typeof key === 'string' || isArray(key) ? hash(encodeKey(key, option)) : toInt64(key, option)
}

/**
 * A text that two keys share exactly when they are equal.
 *
 * @throws {InvalidOptionError} as {@link advisoryLockKey}.
 */
export function encodeKey(key: AdvisoryLockKey, option = 'key'): string {
  return isArray(key) ? readable(key, option, () => encodeTuple(key, option)) : encodePart(key, option)
}

function encodeTuple(parts: readonly unknown[], option: string): string {
  if (parts.length === 0) throw new InvalidOptionError(option, parts, 'a tuple of at least one part')
  return `t${Array.from(parts, (part, index) => encodePart(part, `${option}[${index}]`)).join('')}`
}

function encodePart(part: unknown, option: string): string {
  return typeof part === 'string' ? `s${Buffer.byteLength(part)}:${part}` : `n${toInt64(part, option)};`
}

function toInt64(value: unknown, option: string): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
  if (typeof value === 'bigint' && value >= MIN_INT64 && value <= MAX_INT64) return value
  throw new InvalidOptionError(option, value, 'a string, a safe integer, a bigint of 64 bits, or a tuple of these')
}

function hash(text: string): bigint {
  return createHash('sha256').update(text).digest().readBigInt64BE(0)
}
