import { expect, test } from 'vitest'
import { withCondition } from '../../../src/sql/select-statement.js'

test.each([
  ['FROM "t" WHERE a = 1 ORDER BY "t"."a" LIMIT $1', 'FROM "t" WHERE (a = 1) AND c ORDER BY "t"."a" LIMIT $1'],
  ['FROM "t" WHERE a = 1 OR b = 2 LIMIT $1', 'FROM "t" WHERE (a = 1 OR b = 2) AND c LIMIT $1'],
  ['FROM "t" WHERE 1=1', 'FROM "t" WHERE (1=1) AND c '],
  ['FROM "t" ORDER BY "t"."a" ASC LIMIT $1', 'FROM "t" WHERE c ORDER BY "t"."a" ASC LIMIT $1'],
  ['FROM "t" LIMIT $1', 'FROM "t" WHERE c LIMIT $1'],
  // Words in names, texts, comments and subqueries are none of the statement's own.
  [
    `FROM "WHERE" LEFT JOIN (SELECT 1 WHERE x ORDER BY y LIMIT 1) AS "ORDER BY" ON (z = 'LIMIT') /* WHERE */ WHERE "a LIMIT" = ')' LIMIT $1`,
    `FROM "WHERE" LEFT JOIN (SELECT 1 WHERE x ORDER BY y LIMIT 1) AS "ORDER BY" ON (z = 'LIMIT') /* WHERE */ WHERE ("a LIMIT" = ')') AND c LIMIT $1`,
  ],
])('a condition more in %s', (body, expected) => {
  expect(withCondition(body, 'c')).toBe(expected)
})
