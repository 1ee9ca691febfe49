import { requireNumber } from '../core/option-checks.js'

export { parseText, readOptions } from '../core/option-checks.js'

/** The largest value of PostgreSQL's `integer`, which Prisma's `Int` is. */
export const MAX_INT = 2_147_483_647

/** @throws {InvalidOptionError} when `value` is not a whole number that the id column can hold. */
export function parseId(value: unknown, name: string): number {
  return parseCount(value, name, 1)
}

/** @throws {InvalidOptionError} when `value` is not a whole number from `min` to the column's limit. */
export function parseCount(value: unknown, name: string, min: number): number {
  return requireNumber(value, name, { min, max: MAX_INT })
}
