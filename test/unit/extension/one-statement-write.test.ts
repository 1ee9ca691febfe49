import { describe, expect, test } from 'vitest'
import { whyNotOneStatement } from '../../../src/extension/one-statement-write.js'
import type { SchemaModel } from '../../../src/extension/schema-model.js'

const column = (name: string) => [name, { name, type: 'Int' }] as const
const model: SchemaModel = {
  name: 'Wallet',
  table: 'Wallet',
  fields: new Set(['id', 'userId', 'user', 'entries']),
  columns: new Map([column('id'), column('userId')]),
  uniqueFields: undefined,
  key: undefined,
}
const why = (operation: string, args: Record<string, unknown>) => whyNotOneStatement(operation, model, args)

describe('takes one statement', () => {
  test.each([
    ['create', { data: { userId: 1 } }],
    ['create', { data: { userId: 1, user: undefined }, select: { id: true, user: false } }],
    ['create', { data: { userId: 1 }, include: { user: false } }],
    ['createMany', { data: [{ userId: 1 }, { userId: 2 }] }],
    ['update', { where: { id: 1, user: { name: 'a' } }, data: { userId: 2 } }],
    ['deleteMany', {}],
  ])('%s %j', (operation, args) => {
    expect(why(operation, args)).toBeUndefined()
  })
})

describe('may take others', () => {
  test.each([
    ['findFirst', {}, 'findFirst'],
    ['upsert', { where: { id: 1 }, create: {}, update: {} }, 'upsert'],
    ['create', { data: { user: { connect: { id: 1 } } } }, 'data.user'],
    ['create', { data: { userId: 1, entries: {} } }, 'data.entries'],
    ['create', { data: { userId: 1 }, include: { user: true } }, 'include.user'],
    ['create', { data: { userId: 1 }, select: { user: { select: { id: true } } } }, 'select.user'],
    ['delete', { where: { id: 1 }, select: { _count: true } }, 'select._count'],
    ['createMany', { data: [] }, 'no row'],
    ['update', { where: { id: 1 }, data: { userId: undefined } }, 'changes nothing'],
    ['createMany', { data: Array.from({ length: 16_001 }, () => ({})) }, '32000'],
    ['deleteMany', { where: { id: { in: Array.from({ length: 32_000 }, () => 1) } } }, '32000'],
  ])('%s', (operation, args, reason) => {
    expect(why(operation, args)).toContain(reason)
  })
})
