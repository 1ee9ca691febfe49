import { expect, test } from 'vitest'
import { withoutLiterals } from '../../../src/events/without-literals.js'

test.each([
  ['a string', `SELECT 'Ada', 'O''Brien' FROM "User"`, 'SELECT ?, ? FROM "User"'],
  ['a string with escapes', String.raw`SELECT E'it\'s me', 1`, 'SELECT ?, ?'],
  ['a string between dollars', 'SELECT $$it is$$, $tag$me$tag$ FROM t', 'SELECT ?, ? FROM t'],
  ['numbers', 'SELECT 42, 1.5, 1e10 WHERE id = -7', 'SELECT ?, ?, ? WHERE id = -?'],
  ['the end of a string that was cut off', `UPDATE t SET name = 'Ada Love`, 'UPDATE t SET name = ?'],
  ['the end of a string between dollars that was cut off', 'SELECT $a$Ada', 'SELECT ?'],
])('%s is left out', (_, sql, expected) => {
  expect(withoutLiterals(sql)).toBe(expected)
})

test('placeholders, names and numbers in names stay', () => {
  const sql = 'SELECT "t0"."id", t1.x2 FROM "public"."Table1" AS "t0" WHERE "t0"."id" = $1 LIMIT $2 OFFSET $3'
  expect(withoutLiterals(sql)).toBe(sql)
})
