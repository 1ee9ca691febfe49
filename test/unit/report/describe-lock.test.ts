import { describe, expect, test } from 'vitest'
import { describeRowKey, describeTarget, nameOfSession } from '../../../src/report/describe-lock.js'
import { formatDuration } from '../../../src/report/format.js'
import { session } from './lock-trees.js'

const wallet = { schema: 'public', table: 'wallets' }
const UUID = '0198c7f2-5c0a-7b1e-9d3f-2f4e6a8b0c1d'

describe('what is waited for', () => {
  test.each([
    [{ kind: 'row', ...wallet, model: 'Wallet', key: { id: 7 } } as const, 'Wallet id = 7'],
    [{ kind: 'row', ...wallet, key: { tenant: 1n, day: new Date(0) } } as const, "wallets tenant = 1, day = '1970-01-01T00:00:00.000Z'"],
    [{ kind: 'row', ...wallet, schema: 'billing', key: { id: UUID } } as const, `billing.wallets id = '${UUID}'`],
    [{ kind: 'row', ...wallet, model: 'Wallet' } as const, 'a row of Wallet'],
    [{ kind: 'table', ...wallet, model: 'Wallet' } as const, 'the table Wallet'],
    [{ kind: 'advisory', key: -42n } as const, 'advisory lock -42'],
    [{ kind: 'advisory', key: [1, 2] } as const, 'advisory lock (1, 2)'],
    [{ kind: 'transaction' } as const, 'the end of the transaction'],
    [{ kind: 'other', type: 'extend' } as const, 'a lock of type extend'],
  ])('%o is said as one would say it', (target, text) => {
    expect(describeTarget(target)).toBe(text)
  })
})

test('a key of any kind is some words, and a long value is cut', () => {
  expect(describeRowKey(undefined)).toBe('')
  expect(describeRowKey('a')).toBe("'a'")
  expect(describeRowKey({ name: "O'Hara", raw: new Uint8Array([1, 255]) })).toBe("name = 'O''Hara', raw = '\\x01ff'")
  expect(describeRowKey({ userId_day: { userId: 1n } })).toBe('userId_day = {"userId":"1n"}')
  expect(describeRowKey({ id: 'x'.repeat(500) }).length).toBeLessThan(80)
})

test('a session is known by its label, else by its application, else by its number', () => {
  expect(nameOfSession(session(1, { label: 'checkout' }))).toBe('checkout')
  expect(nameOfSession(session(1))).toBe('api')
  expect(nameOfSession(session(1, { applicationName: '' }))).toBe('session 1')
  expect(nameOfSession(session(0))).toBe('prepared transaction')
})

test.each([
  [0, '0 ms'],
  [999.4, '999 ms'],
  [999.6, '1.0 s'],
  [59_949, '59.9 s'],
  [59_960, '1 min 0 s'],
  [134_000, '2 min 14 s'],
  [3_599_400, '59 min 59 s'],
  [3_599_600, '1 h 0 min'],
  [90_000_000, '25 h 0 min'],
])('%d milliseconds are %s', (milliseconds, text) => {
  expect(formatDuration(milliseconds)).toBe(text)
})
