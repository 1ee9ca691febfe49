import { serialize } from 'node:v8'

/**
 * Makes `value` fit to cross a process boundary by structured clone, which keeps bigint, Date, Map,
 * Set and typed arrays. A Decimal (Prisma's or decimal.js's) carries its constructor and cannot be
 * cloned: it becomes its exact decimal text, also inside arrays and plain objects.
 *
 * @throws Error (DataCloneError) when something in it still cannot be cloned, a function for example.
 */
export function toTransferable(value: unknown): unknown {
  const plain = replaceDecimals(value, new Map())
  serialize(plain)
  return plain
}

function replaceDecimals(value: unknown, seen: Map<object, unknown>): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (isDecimal(value)) return value.toFixed()
  if (seen.has(value)) return seen.get(value)
  if (Array.isArray(value)) return replaceItems(value, seen)
  return isPlainObject(value) ? replaceFields(value, seen) : value
}

function replaceItems(items: readonly unknown[], seen: Map<object, unknown>): unknown[] {
  const copy: unknown[] = []
  seen.set(items, copy)
  for (const item of items) copy.push(replaceDecimals(item, seen))
  return copy
}

function replaceFields(fields: object, seen: Map<object, unknown>): Record<string, unknown> {
  const copy: Record<string, unknown> = {}
  seen.set(fields, copy)
  for (const [key, field] of Object.entries(fields)) copy[key] = replaceDecimals(field, seen)
  return copy
}

function isDecimal(value: object): value is { toFixed: () => string } {
  // By tag, because every copy of decimal.js has a class of its own.
  return Object.prototype.toString.call(value) === '[object Decimal]' && 'toFixed' in value
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}
