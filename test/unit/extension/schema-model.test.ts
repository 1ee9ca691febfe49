import { PrismaPg } from '@prisma/adapter-pg'
import { lockable, rowLocks } from 'rowlock'
import { expect, test } from 'vitest'
import { isWritableDirectly, tableOf } from '../../../src/extension/schema-model.js'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { PrismaClient as ZooClient } from '../../support/zoo/generated/queries/client.js'

const connectionString = 'postgresql://localhost/never-connected'

test('a table has the names of @@map, @map and @@schema, quoted, and no column for a relation', () => {
  const zoo = new ZooClient({ adapter: new PrismaPg({ connectionString }) })
  const { name, columns } = tableOf(zoo, 'Animal')!
  expect(name).toBe('"wild life"."animal FROM, SELECT"')
  expect([columns.get('id'), columns.get('tag'), columns.get('diet'), columns.get('mother')]).toEqual([
    '"animal id"',
    '"tag (no"',
    '"diet"',
    undefined,
  ])
})

test('a table without @@schema is where Prisma looks for it: in public, or in the schema of the driver adapter', () => {
  const plain = new PrismaClient({ adapter: new PrismaPg({ connectionString }) })
  expect(tableOf(plain, 'Lease')?.name).toBe('"public"."Lease"')
  const adapter = lockable(new PrismaPg({ connectionString }, { schema: 'tenant "1"' }))
  expect(tableOf(new PrismaClient({ adapter }).$extends(rowLocks()), 'Lease')?.name).toBe('"tenant ""1"""."Lease"')
})

test('what is no model has no table', () => {
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString }) })
  for (const name of ['lease', 'Nothing', 'constructor', '']) expect(tableOf(prisma, name)).toBeUndefined()
  for (const client of [{}, () => undefined, 5]) expect(tableOf(client, 'Lease')).toBeUndefined()
})

test('a row can be written directly when the database knows of every value', () => {
  const fields = (type: string) => [
    { name: 'id', kind: 'scalar', type: 'Int' },
    { name: 'other', kind: 'scalar', type },
  ]
  const writable = (declaration: string, more = '', type = 'String') =>
    isWritableDirectly(
      {
        _runtimeDataModel: { models: { Thing: { dbName: null, schema: null, fields: fields(type) } } },
        _engineConfig: { inlineSchema: `model Thing {\n  id Int @id\n  other ${declaration}\n}\n${more}` },
      },
      'Thing',
    )
  for (const declaration of [
    'String',
    'String?',
    'String @default("a")',
    'DateTime @default(now())',
    'String @default(dbgenerated("x()"))',
  ]) {
    expect(writable(declaration), declaration).toBe(true)
  }
  for (const declaration of ['DateTime @updatedAt', 'String @default(uuid())', 'String @default(cuid(2))', 'String @default(nanoid())']) {
    expect(writable(declaration), declaration).toBe(false)
  }
  expect(writable('Mood', 'enum Mood {\n  GOOD\n}', 'Mood')).toBe(true)
  expect(writable('Mood', 'enum Mood {\n  GOOD @map("good")\n}', 'Mood')).toBe(false)
  expect(isWritableDirectly({}, 'Thing')).toBe(false)
})
