import { expect, test } from 'vitest'
import { assertIsWrite, commitAfterFailure } from '../../../src/adapter/last-call.js'

const refused = { cause: { kind: 'postgres', code: '23505', originalCode: '23505' } }
const ended = { cause: { kind: 'postgres', code: '57P01', originalCode: '57P01' } }
const lost = new Error('Connection terminated unexpectedly')
const report = { sent: true, reached: false, tag: undefined }

test.each([
  ['was never handed to the connection', { ...report, sent: false }, lost, 'not sent'],
  ['was skipped behind a statement that the server refused', report, refused, 'not sent'],
  ['went out on a connection that died', report, lost, 'sent'],
  ['went out on a session that the server ended', report, ended, 'sent'],
  ['was itself refused', { ...report, reached: true }, refused, 'sent'],
  ['was answered with ROLLBACK', { ...report, reached: true, tag: 'ROLLBACK' }, new Error('no'), 'sent'],
  ['was answered before the driver failed', { ...report, reached: true, tag: 'COMMIT' }, new TypeError('no'), 'done'],
] as const)('a COMMIT that %s', (_, sentWith, error, outcome) => {
  expect(commitAfterFailure(sentWith, error)).toBe(outcome)
})

test('only a write can be sent with COMMIT', () => {
  for (const sql of ['INSERT INTO a', 'UPDATE a', 'DELETE FROM a']) expect(() => assertIsWrite(sql)).not.toThrow()
  for (const sql of ['SELECT 1', 'WITH a AS (DELETE FROM b) SELECT 1', '']) expect(() => assertIsWrite(sql)).toThrow('several')
})
