import { expect, test } from 'vitest'
import { shortenSql, tableOf } from '../../../src/report/shorten-sql.js'

const T = '"public"."Ticket"'

test.each<[title: string, sql: string, args: readonly unknown[], expected: string]>([
  [
    'a locked find',
    `/*rowlock:7*/ SELECT ${T}."id", ${T}."userId" FROM ${T} WHERE (${T}."id" = $1 AND 1=1) ORDER BY ${T}."id" ASC LIMIT $2 OFFSET $3 FOR NO KEY UPDATE OF "Ticket"`,
    [3, '1', '0'],
    'SELECT Ticket WHERE id = 3 ORDER BY id FOR NO KEY UPDATE',
  ],
  [
    'SKIP LOCKED keeps its limit',
    `SELECT ${T}."id" FROM ${T} WHERE ${T}."userId" IS NULL LIMIT $1 OFFSET $2 FOR UPDATE SKIP LOCKED`,
    ['1', '0'],
    'SELECT Ticket WHERE userId IS NULL LIMIT 1 FOR UPDATE SKIP LOCKED',
  ],
  [
    'an update',
    `UPDATE ${T} SET "price" = (${T}."price" - $1) WHERE 1=1 RETURNING ${T}."id"`,
    ['5'],
    'UPDATE Ticket SET price = price - 5',
  ],
  [
    'an insert, its enum and its long values',
    `INSERT INTO ${T} ("id","kind","at","note") VALUES ($1,CAST($2::text AS "public"."Kind"),$3,$4) RETURNING ${T}."id"`,
    [1, 'FREE', '2026-11-21T07:58:54.563Z', 'a note that goes on and on and on'],
    `INSERT INTO Ticket VALUES (1, 'FREE', …, 'a note that goes…')`,
  ],
  ['a delete', `DELETE FROM ${T} WHERE (${T}."id" IN ($1,$2) AND 1=1)`, [1, 2], 'DELETE FROM Ticket WHERE id IN (1, 2)'],
  [
    'a count',
    `SELECT COUNT(*) AS "_count$_all" FROM (SELECT ${T}."id" FROM ${T} WHERE 1=1 OFFSET $1) AS "sub"`,
    ['0'],
    'SELECT COUNT(*) FROM (SELECT Ticket) AS sub',
  ],
  ['an advisory lock', 'SELECT pg_advisory_xact_lock($1::bigint)', [42n], 'SELECT pg_advisory_xact_lock(42)'],
  ['a commit', 'COMMIT', [], 'COMMIT'],
  [
    'an upsert',
    `INSERT INTO ${T} ("id") VALUES ($1) ON CONFLICT ("id") DO UPDATE SET "price" = $2 RETURNING "id"`,
    [1, null],
    'INSERT INTO Ticket VALUES (1) ON CONFLICT (id) DO UPDATE SET price = NULL',
  ],
  [
    'names their table where there are two',
    `SELECT "t0"."id" FROM ${T} AS "t0" JOIN "public"."User" AS "t1" ON "t0"."userId" = "t1"."id" FOR UPDATE OF "t0"`,
    [],
    'SELECT Ticket AS t0 JOIN User AS t1 ON t0.userId = t1.id FOR UPDATE OF t0',
  ],
  [
    'words inside a literal are nobody’s clause',
    `SELECT 'FOR UPDATE RETURNING 1=1' FROM ${T} WHERE x = 'a ''b'''`,
    [],
    "SELECT Ticket WHERE x = 'a ''b'''",
  ],
  ['a parameter that is not there', 'SELECT $1, $2', [1], 'SELECT 1, $2'],
  ['nothing', '', [], ''],
])('shortens %s', (_title, sql, args, expected) => {
  expect(shortenSql(sql, args)).toBe(expected)
})

test('keeps the locking clause of a statement that is too long', () => {
  const sql = `SELECT "id" FROM "Ticket" WHERE ${Array.from({ length: 40 }, (_, n) => `"c${n}" = ${n}`).join(' AND ')} FOR UPDATE NOWAIT`
  const text = shortenSql(sql, [])
  expect(text).toMatch(/… FOR UPDATE NOWAIT$/)
  expect(text.length).toBeLessThan(140)
})

test('shortens a statement of thousands of rows, and the lock at its end stays', () => {
  const sql = `SELECT "id" FROM "Ticket" WHERE ${'("a" = 1 AND 1=1) OR '.repeat(20_000)} 1=1 FOR SHARE`
  expect(shortenSql(sql, [])).toMatch(/^SELECT Ticket WHERE .*… FOR SHARE$/)
})

test('finds the table of a statement', () => {
  expect(tableOf(`UPDATE ${T} SET "a" = 1`)).toBe('Ticket')
  expect(tableOf('select * from wallet where id = 1')).toBe('wallet')
  expect(tableOf('SELECT pg_advisory_lock(1)')).toBeUndefined()
})
