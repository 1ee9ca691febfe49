import { readFile } from 'node:fs/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { parseSchema } from '../../../src/doctor/facts/schema-facts.js'
import { databaseFacts, remarksOf, sourceFacts } from '../../support/doctor.js'
import { useDatabase } from '../../support/database.js'

const database = useDatabase()
const schema = parseSchema(await readFile(new URL('../../../prisma/schema.prisma', import.meta.url), 'utf8'))

describe('foreign-key-indexes', () => {
  const check = async () => remarksOf('foreign-key-indexes', { database: await databaseFacts(database.url) })
  afterEach(async () => {
    await database.sql`DROP TABLE IF EXISTS "child"`
    await database.sql`DROP TABLE IF EXISTS "parent"`
  })

  test('warns of a foreign key without an index', async () => {
    await database.sql`DROP INDEX "Ticket_userId_idx"`
    expect(await check()).toEqual([expect.stringMatching(/^warning: Ticket refers to User by userId, which has no index: /)])
    await database.sql`CREATE INDEX "Ticket_userId_idx" ON "Ticket" ("userId")`
  })
  test('warns of a key of two columns that an index has only one of, and takes them in any order', async () => {
    await database.sql`CREATE TABLE "parent" (a int, b int, PRIMARY KEY (a, b))`
    await database.sql`CREATE TABLE "child" (a int, b int, c int, FOREIGN KEY (a, b) REFERENCES "parent")`
    await database.sql`CREATE INDEX ON "child" (a, c, b)`
    expect(await check()).toEqual([expect.stringMatching(/^warning: child refers to parent by a, b,/)])
    await database.sql`CREATE INDEX ON "child" (b, a)`
    expect(await check()).toEqual([expect.stringMatching(/^ok: /)])
  })
  test('finds the schema of this package well', async () => {
    expect(await check()).toEqual(['ok: Every foreign key has an index (10 of 10).'])
  })
})

describe('locked-columns', () => {
  const check = async (source: string) =>
    remarksOf('locked-columns', { schema, source: await sourceFacts(source), database: await databaseFacts(database.url) })

  test('warns of a locked find by a column without an index', async () => {
    const source = `
      export const find = (tx: any) =>
        tx.user.findFirst({ where: { name: 'Ada' }, lock: 'forNoKeyUpdate' })`
    expect(await check(source)).toEqual(['warning: src/pay.ts:3 locks User by name, with which no index begins: it reads the whole table.'])
  })
  test.each([
    ['a key', `tx.user.findUnique({ where: { id: 1 }, lock: 'forUpdate' })`],
    ['a compound key', `tx.signIn.findUnique({ where: { userId_day: { userId: 1, day } }, lock: 'forUpdate' })`],
    ['one column of two', `tx.user.findFirst({ where: { AND: { id: 1 }, name: 'Ada' }, lock: 'forUpdate' })`],
    ['another table', `tx.user.findFirst({ where: { wallet: { balance: 1 } }, lock: 'forUpdate' })`],
    ['what only the running program knows', `tx.user.findFirst({ where, lock: 'forUpdate' })`],
    ['nothing', `tx.user.findMany({ lock: 'forUpdate' })`],
  ])('does not warn of a locked find by %s', async (_, call) => {
    expect(await check(`export const find = (tx: any, where: any, day: Date) => ${call}`)).toEqual([
      expect.stringMatching(/^ok: .*\(1 places\)\.$/),
    ])
  })
  test('notes that there is no locked find', async () => {
    expect(await check('export const a = 1')).toEqual(['note: No locked find was found in 1 files.'])
  })
})
