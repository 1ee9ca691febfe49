import { InvalidOptionError, LockNotSupportedError } from '../core/errors.js'
import type { SchemaColumn, SchemaModel } from '../extension/schema-model.js'

/** The field by which keys name rows, and what a key is as its value. */
export interface RowKey {
  readonly field: string
  /** @throws {InvalidOptionError} when no row can have this key. */
  toValue(key: string): unknown
}

interface KeyType {
  /** What a key must be, in words. */
  readonly allowed: string
  parse(key: string): unknown
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
// PostgreSQL stores no NUL, and UTF-8 no unpaired surrogate: the row of another key would be locked.
const NOT_TEXT = /[\0\p{Cs}]/u

const int16 = wholeNumber(16)
const int32 = wholeNumber(32)
const text = { allowed: 'text without NUL and without unpaired surrogates', parse: (key: string) => (NOT_TEXT.test(key) ? undefined : key) }
const uuid = { allowed: 'a UUID', parse: (key: string) => (UUID.test(key) ? key : undefined) }
const TYPES: Record<string, (nativeType: string | undefined) => KeyType> = {
  Int: (nativeType) => (nativeType === 'SmallInt' ? int16 : int32),
  BigInt: () => wholeNumber(64, BigInt),
  String: (nativeType) => (nativeType === 'Uuid' ? uuid : text),
}

/**
 * Finds the field that keys of a model are values of: the one with `@id`, or `by`.
 *
 * @throws {InvalidOptionError} when `by` is no unique field.
 * @throws {LockNotSupportedError} when the model has no single-field `@id`, or its type is none that a text can name.
 */
export function rowKeyOf(model: SchemaModel, by: unknown): RowKey {
  const field = by === undefined ? idOf(model) : uniqueField(model, by)
  const column = model.columns.get(field)!
  const type = Object.hasOwn(TYPES, column.type) ? TYPES[column.type]!(column.nativeType) : undefined
  if (!type || column.list) throw notAKey(model, field, column)
  return {
    field,
    toValue(key) {
      const value = type.parse(key)
      if (value === undefined) throw new InvalidOptionError('key', key, `${type.allowed}, as ${model.name}.${field} is`)
      return value
    },
  }
}

function idOf({ name, key, columns }: SchemaModel): string {
  const [field, ...more] = key ?? ['id']
  if (field !== undefined && more.length === 0 && columns.has(field)) return field
  throw new LockNotSupportedError(`${name} has no key of a single field; name a field with @unique as the option \`by\`.`, { model: name })
}

function uniqueField({ name, columns, uniqueFields }: SchemaModel, by: unknown): string {
  if (typeof by === 'string' && columns.has(by) && (uniqueFields?.has(by) ?? true)) return by
  throw new InvalidOptionError('by', by, `a field of ${name} with @id or @unique`)
}

function notAKey(model: SchemaModel, field: string, { type }: SchemaColumn): LockNotSupportedError {
  return new LockNotSupportedError(
    `${model.name}.${field} is of type ${type}, which no key can name; name another unique field (Int, BigInt or String) as the option \`by\`.`,
    { model: model.name },
  )
}

/** Only as a number writes itself: `07` and `7` would be two keys of one row. */
function wholeNumber(bits: number, toValue: (value: bigint) => unknown = Number): KeyType {
  const limit = 2n ** BigInt(bits - 1)
  return {
    allowed: `a whole number of ${bits} bits in decimal digits`,
    parse(key) {
      if (!/^(0|-?[1-9]\d{0,18})$/.test(key)) return undefined
      const value = BigInt(key)
      return value >= -limit && value < limit ? toValue(value) : undefined
    },
  }
}
