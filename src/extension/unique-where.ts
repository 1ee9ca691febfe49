import { InvalidOptionError } from '../core/errors.js'
import { isArray, readable } from '../core/option-checks.js'
import type { SchemaModel } from './schema-model.js'

type Where = Record<string, unknown>

const LOGIC = new Set(['AND', 'OR', 'NOT'])

/**
 * Turns the `where` of a findUnique into that of a findFirst, which a locked findUnique runs as. Prisma
 * checks a findUnique's `where` more strictly than a findFirst's, where `{ id: undefined }` matches any
 * row; those checks are made here.
 *
 * @throws {InvalidOptionError} when `where` does not name one row by a unique field or compound key.
 */
export function uniqueWhereToFilter(where: unknown, model: SchemaModel): Where {
  const named = readWhere(where, model)
  const filter = expandCompoundKeys(named, model)
  const isNamed = Object.entries(named).some(([key, value]) => isCompoundKey(key, model) || namesOneRow(key, value, model))
  if (!isNamed) {
    const keys = model.uniqueFields?.size ? ` (${[...model.uniqueFields].join(', ')}, or a compound key)` : ''
    throw new InvalidOptionError('where', where, `an object with a value for at least one unique field of ${model.name}${keys}`)
  }
  return filter
}

/**
 * Replaces compound keys (`{ userId_day: { userId, day } }`) by their fields, which every find knows.
 *
 * @throws {InvalidOptionError} when `where` is not an object or a compound key is incomplete.
 */
export function expandCompoundKeys(where: unknown, model: SchemaModel): Where {
  const rest: Where = {}
  const keys: Where[] = []
  for (const [key, value] of Object.entries(readWhere(where, model))) {
    if (isCompoundKey(key, model)) keys.push(compoundKey(key, value))
    else rest[key] = value
  }
  return keys.length === 0 ? rest : { AND: [...keys, rest] }
}

/**
 * A copy of a `where` and its compound keys: a getter that is asked again may name another row, or none.
 *
 * @throws {InvalidOptionError} when `where` is not a plain object, or cannot be read.
 */
export function readWhere(where: unknown, model: SchemaModel): Where {
  if (!isPlainObject(where)) throw new InvalidOptionError('where', where, `an object that names a row of ${model.name}`)
  return readable(where, 'where', () =>
    Object.fromEntries(Object.entries(where).map(([key, value]) => [key, isPlainObject(value) ? { ...value } : value])),
  )
}

const isCompoundKey = (key: string, model: SchemaModel) => !model.fields.has(key) && !LOGIC.has(key)

function compoundKey(name: string, value: unknown): Where {
  if (!isPlainObject(value) || Object.keys(value).length === 0 || !Object.values(value).every(isScalar)) {
    throw new InvalidOptionError(`where.${name}`, value, 'a field of the model, or a compound key with a value for each of its fields')
  }
  return value
}

function namesOneRow(key: string, value: unknown, model: SchemaModel): boolean {
  if (LOGIC.has(key) || (model.uniqueFields && !model.uniqueFields.has(key))) return false
  return isScalar(value)
}

/** A value to compare with, and not a filter such as `{ in: […] }`. */
function isScalar(value: unknown): boolean {
  return value !== undefined && value !== null && !isPlainObject(value) && !isArray(value)
}

export function isPlainObject(value: unknown): value is Where {
  if (typeof value !== 'object' || value === null) return false
  try {
    const prototype: unknown = Object.getPrototypeOf(value)
    return prototype === Object.prototype || prototype === null
  } catch {
    return false
  }
}
