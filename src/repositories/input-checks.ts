import { InvalidOptionError } from '../core/errors.js'
import { parseNumber } from '../core/option-checks.js'

export { assertKnownOptions } from '../core/option-checks.js'

/** The largest value of PostgreSQL's `integer`, which Prisma's `Int` is. */
export const MAX_INT = 2_147_483_647

const MAX_TEXT_LENGTH = 255

/** @throws {InvalidOptionError} when `value` is not a whole number that the id column can hold. */
export function parseId(value: unknown, name: string): number {
  return parseCount(value, name, 1)
}

/** @throws {InvalidOptionError} when `value` is not a whole number from `min` to the column's limit. */
export function parseCount(value: unknown, name: string, min: number): number {
  const count = parseNumber(value, name, { min, max: MAX_INT })
  if (count === undefined) throw new InvalidOptionError(name, value, `a whole number from ${min} to ${MAX_INT}`)
  return count
}

/**
 * PostgreSQL's text has no NUL, and a lone surrogate would be stored as U+FFFD: two different keys
 * would become one.
 *
 * @throws {InvalidOptionError} when `value` is not a string of 1 to 255 characters that can be stored as it is.
 */
export function parseText(value: unknown, name: string): string {
  if (typeof value !== 'string' || value.length === 0 || value.length > MAX_TEXT_LENGTH || /[\0\p{Surrogate}]/u.test(value)) {
    throw new InvalidOptionError(name, value, `a string of 1 to ${MAX_TEXT_LENGTH} characters, without NUL and lone surrogates`)
  }
  return value
}
