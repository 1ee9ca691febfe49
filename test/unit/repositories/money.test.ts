import { Decimal } from '@prisma/client/runtime/client'
import fc from 'fast-check'
import { InvalidOptionError } from 'rowlock'
import { expect, test } from 'vitest'
import { MAX_AMOUNT, parseAmount } from '../../../src/repositories/money.js'

test('every amount that the column holds is taken as it is, as text and as Decimal', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: 10n ** 18n - 1n }), (cents) => {
      const amount = new Decimal(cents.toString()).div(100)
      expect(parseAmount(amount.toFixed(2), 'amount').equals(amount)).toBe(true)
      expect(parseAmount(amount, 'amount').equals(amount)).toBe(true)
    }),
  )
})

test('the limits are those of the column', () => {
  expect(parseAmount(MAX_AMOUNT, 'amount').toFixed()).toBe('9999999999999999.99')
  expect(parseAmount('0.01', 'amount').toFixed()).toBe('0.01')
  for (const value of ['0', '0.00', '0.001', '10000000000000000', MAX_AMOUNT.plus('0.01'), new Decimal(0)]) {
    expect(() => parseAmount(value, 'amount')).toThrow(InvalidOptionError)
  }
})

test('numbers are taken only when they are whole and exact', () => {
  expect(parseAmount(Number.MAX_SAFE_INTEGER, 'amount').toFixed()).toBe('9007199254740991')
  for (const value of [0.5, 19.99, -0, -1, NaN, Infinity, 2 ** 53, 1e21]) {
    expect(() => parseAmount(value, 'amount')).toThrow(InvalidOptionError)
  }
})
