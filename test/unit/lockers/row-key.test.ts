import { InvalidOptionError, LockNotSupportedError } from 'rowlock'
import { describe, expect, test } from 'vitest'
import type { SchemaColumn, SchemaModel } from '../../../src/extension/schema-model.js'
import { rowKeyOf } from '../../../src/lockers/row-key.js'

const column = (type: string, details: Partial<SchemaColumn> = {}): SchemaColumn => ({ name: 'column', type, ...details })

function model(columns: Record<string, SchemaColumn>, key: readonly string[] | undefined, unique = Object.keys(columns)): SchemaModel {
  return {
    name: 'Thing',
    table: 'Thing',
    fields: new Set(Object.keys(columns)),
    uniqueFields: new Set(unique),
    columns: new Map(Object.entries(columns)),
    key,
  }
}

const valueOf = (id: SchemaColumn, key: string) => rowKeyOf(model({ id }, ['id']), undefined).toValue(key)

const UUID = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'

describe('a key becomes a value of its field', () => {
  test.each([
    ['Int', undefined, '-2147483648', -(2 ** 31)],
    ['Int', undefined, '0', 0],
    ['Int', 'SmallInt', '32767', 32_767],
    ['BigInt', undefined, '9223372036854775807', 2n ** 63n - 1n],
    ['BigInt', undefined, '-9223372036854775808', -(2n ** 63n)],
    ['String', undefined, ' \n🔒', ' \n🔒'],
    ['String', 'Uuid', UUID, UUID],
    ['String', 'Uuid', UUID.toUpperCase(), UUID.toUpperCase()],
  ])('%s %s: %j', (type, nativeType, key, value) => {
    expect(valueOf(column(type, { nativeType }), key)).toBe(value)
  })

  test.each([
    ['Int', undefined, '2147483648'],
    ['Int', 'SmallInt', '32768'],
    ['Int', undefined, '1.0'],
    ['Int', undefined, '-0'],
    ['BigInt', undefined, '9223372036854775808'],
    ['String', undefined, 'a\0b'],
    ['String', undefined, '\ud800'],
    ['String', 'Uuid', 'not a uuid'],
    ['String', 'Uuid', `${UUID}0`],
  ])('or is refused: %s %s: %j', (type, nativeType, key) => {
    expect(() => valueOf(column(type, { nativeType }), key)).toThrow(InvalidOptionError)
  })
})

describe('the field of the key', () => {
  const fields = { id: column('Int'), name: column('String'), day: column('DateTime'), tags: column('String', { list: true }) }

  test('is the @id, or `by`', () => {
    expect(rowKeyOf(model(fields, ['id']), undefined).field).toBe('id')
    expect(rowKeyOf(model(fields, ['id']), 'name').field).toBe('name')
  })

  test('is `id` when the schema cannot be read', () => {
    expect(rowKeyOf({ ...model(fields, undefined), uniqueFields: undefined }, undefined).field).toBe('id')
  })

  test('must be one, unique, and of a type that text can name', () => {
    expect(() => rowKeyOf(model(fields, ['id', 'name']), undefined)).toThrow(LockNotSupportedError)
    expect(() => rowKeyOf(model({ name: fields.name }, undefined), undefined)).toThrow(LockNotSupportedError)
    expect(() => rowKeyOf(model(fields, ['id']), 'day')).toThrow(LockNotSupportedError)
    expect(() => rowKeyOf(model(fields, ['id']), 'tags')).toThrow(LockNotSupportedError)
    expect(() => rowKeyOf(model(fields, ['id'], ['id']), 'name')).toThrow(InvalidOptionError)
    expect(() => rowKeyOf(model(fields, ['id']), 'nothing')).toThrow(InvalidOptionError)
  })
})
