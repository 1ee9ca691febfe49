import { expect, test } from 'vitest'
import { RepeatedStatements } from '../../../src/adapter/repeated-statements.js'

const query = (sql: string, args: unknown[] = [1]) => ({ sql, args, argTypes: [] })
const failure = (originalCode: string) => ({ cause: { kind: 'postgres', originalCode } })

/** Sends a text so often, and tells whether it had a name the last time. */
function send(repeated: RepeatedStatements, sql: string, times = 1, args?: unknown[]): boolean {
  let named = false
  for (let time = 0; time < times; time++) named = repeated.isRepeated(query(sql, args)) && repeated.mayName(sql)
  return named
}

test('a text is named from its third time on', () => {
  const repeated = new RepeatedStatements()
  expect([1, 2, 3, 4].map(() => send(repeated, 'SELECT $1'))).toEqual([false, false, true, true])
})

test('a text without parameters is never named, nor one that is very long', () => {
  const repeated = new RepeatedStatements()
  expect(send(repeated, 'SELECT 1; SELECT 2', 10, [])).toBe(false)
  expect(send(repeated, `SELECT $1${' '.repeat(10_000)}`, 10)).toBe(false)
})

test('no more than 200 texts are named', () => {
  const repeated = new RepeatedStatements()
  const named = Array.from({ length: 300 }, (_, index) => send(repeated, `SELECT $1 + ${index}`, 5))
  expect(named.filter(Boolean)).toHaveLength(200)
  expect(send(repeated, 'SELECT $1 + 0')).toBe(true)
})

test('texts that do not come again are forgotten', () => {
  const repeated = new RepeatedStatements()
  send(repeated, 'SELECT $1', 2)
  for (let index = 0; index < 1_000; index++) send(repeated, `SELECT $1 /* trace ${index} */`)
  expect(send(repeated, 'SELECT $1')).toBe(false)
})

test('a text whose result has changed is named no more, others are', () => {
  const repeated = new RepeatedStatements()
  send(repeated, 'SELECT $1', 3)
  expect(repeated.failedByName(query('SELECT $1'), failure('0A000'))).toBe(true)
  expect(send(repeated, 'SELECT $1', 5)).toBe(false)
  expect(send(repeated, 'SELECT $2', 5)).toBe(true)
})

test.each(['26000', '42P05'])('after %s nothing is named any more', (code) => {
  const repeated = new RepeatedStatements()
  send(repeated, 'SELECT $1', 3)
  expect(repeated.failedByName(query('SELECT $1'), failure(code))).toBe(true)
  expect(send(repeated, 'SELECT $2', 5)).toBe(false)
})

test('other failures, and those of statements without a name, are none of a name', () => {
  const repeated = new RepeatedStatements()
  expect(repeated.failedByName(query('SELECT $1'), failure('0A000'))).toBe(false)
  send(repeated, 'SELECT $1', 3)
  expect(repeated.failedByName(query('SELECT $1'), failure('40001'))).toBe(false)
  expect(send(repeated, 'SELECT $1')).toBe(true)
})
