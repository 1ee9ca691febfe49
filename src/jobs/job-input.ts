import { inspect } from 'node:util'
import { InvalidOptionError } from '../core/errors.js'
import { isArray, readable, requireNumber } from '../core/option-checks.js'
import { isPlainObject } from '../extension/unique-where.js'

// A hundred years: what PostgreSQL and Date can both add to the present.
const MAX_MILLISECONDS = 3_155_760_000_000

/** @throws {InvalidOptionError} when `value` is not a number of milliseconds from `min` to a hundred years. */
export function parseMilliseconds(value: unknown, path: string, min: 0 | 1): number {
  return requireNumber(value, path, { min, max: MAX_MILLISECONDS, unit: 'milliseconds' })
}

/** @throws {InvalidOptionError} when `where` is neither undefined nor an object; Prisma looks at what is in it. */
export function parseWhere(where: unknown): Record<string, unknown> {
  if (where === undefined) return {}
  if (!isPlainObject(where)) throw new InvalidOptionError('where', where, 'a `where` of findMany')
  return where
}

/** @throws {InvalidOptionError} when `orderBy` is neither undefined, an object nor an array of objects. */
export function assertOrderBy(orderBy: unknown): void {
  const orders: readonly unknown[] = isArray(orderBy) ? orderBy : orderBy === undefined ? [] : [orderBy]
  readable(orderBy, 'orderBy', () => {
    // Ends at the first hole, however many there are.
    for (const order of orders) if (!isPlainObject(order)) throw new InvalidOptionError('orderBy', orderBy, 'an `orderBy` of findMany')
  })
}

/** What was thrown, as a text that PostgreSQL can keep, which no text with a NUL is. */
export function describeThrown(error: unknown): string {
  return toText(error).replaceAll('\0', '\uFFFD')
}

/** Anything can be thrown, also what throws when it is looked at: the job must be given up all the same. */
function toText(error: unknown): string {
  try {
    if (typeof error === 'string') return error
    return error instanceof Error ? `${error.name}: ${error.message}` : inspect(error)
  } catch {
    return 'An error that cannot be shown.'
  }
}
