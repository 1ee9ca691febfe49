import { describe, expect, test } from 'vitest'
import { parseSchemaBlock } from '../../../src/extension/schema-block.js'

const block = (...lines: string[]) =>
  parseSchemaBlock('Job', ['model Other {', '  id Int @id', '}', 'model Job {', ...lines, '}'].join('\n'))

describe('the key of a model', () => {
  test.each([
    ['its @id', ['id Int @id', 'tag String @unique'], ['id']],
    ['its @@id', ['a Int', 'b String', '@@unique([a])', '@@id([a, b])'], ['a', 'b']],
    [
      'its @@id, with all that may stand there',
      ['a Int', 'b String', '@@id(name: "key", fields: [b(sort: Desc), a], map: "x")'],
      ['b', 'a'],
    ],
    ['a @unique that is not nullable', ['a Int? @unique', 'b String @unique'], ['b']],
    ['a @@unique that is not nullable', ['a Int?', 'b Int', 'c Int', '@@unique([a, b])', '@@unique([b, c])'], ['b', 'c']],
    ['none of some rows only', ['a Int', 'b Int', '@@unique([a], where: { b: 1 })'], undefined],
    ['none that is only written about', ['a Int // @id', '/// @@id([a])', 'b Int'], undefined],
  ])('is %s', (_, lines, key) => {
    expect(block(...lines.map((line) => `  ${line}`))?.key).toEqual(key)
  })
})

test('a field is known by how it is declared', () => {
  const fields = block(
    '  id      BigInt    @id @default(autoincrement())',
    '  at      DateTime? @map("x") @db.Timestamptz(6)',
    '  day     DateTime  @db.Date',
    '  moods   String[]',
  )!.fields
  expect(fields.get('id')).toEqual({ nullable: false, list: false, unique: true, nativeType: undefined, filledByPrisma: false })
  expect(fields.get('at')).toEqual({ nullable: true, list: false, unique: false, nativeType: 'Timestamptz', filledByPrisma: false })
  expect(fields.get('day')).toMatchObject({ nullable: false, nativeType: 'Date' })
  expect(fields.get('moods')).toMatchObject({ list: true, nullable: false })
})

test('a model that the schema does not have has no block', () => {
  expect(parseSchemaBlock('Missing', 'model Job {\n  id Int @id\n}')).toBeUndefined()
  expect(parseSchemaBlock('Job', '')).toBeUndefined()
})
