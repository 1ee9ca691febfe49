import { deepStrictEqual } from 'node:assert/strict'
import { Decimal } from '@prisma/client/runtime/client'
import fc from 'fast-check'
import { InvalidOptionError } from 'rowlock'
import { describe, expect, test } from 'vitest'
import { canonicalText, decodeResult, encodeResult } from '../../../src/idempotency/result-codec.js'
import { storedValue } from '../../support/idempotency/stored-values.js'

const throughJson = (value: unknown) => decodeResult(JSON.parse(JSON.stringify(encodeResult(value))))

describe('a result', () => {
  test('comes back from JSON with the same values and types, whatever it holds', () => {
    fc.assert(
      fc.property(storedValue, (value) => deepStrictEqual(throughJson(value), value)),
      { numRuns: 2_000 },
    )
  })

  test('is written as JSON that people can read', () => {
    const value = { id: 7, amount: new Decimal('1.50'), at: new Date(0), big: 1n, bytes: new Uint8Array([1]), none: undefined }
    expect(encodeResult(value)).toEqual({
      id: 7,
      amount: { $decimal: '1.5' },
      at: { $date: '1970-01-01T00:00:00.000Z' },
      big: { $bigint: '1' },
      bytes: { $bytes: 'AQ==' },
      none: { $undefined: true },
    })
  })

  test('of the look of an encoding stays what it is', () => {
    for (const value of [{ $date: 'today' }, { $null: true }, { $pending: true }, { $entries: 1, a: { $bigint: '1' } }]) {
      expect(throughJson(value)).toEqual(value)
    }
  })

  test('is never null or text that jsonb refuses', () => {
    fc.assert(
      fc.property(storedValue, (value) => {
        const encoded = encodeResult(value)
        expect(encoded).not.toBeNull()
        expect(JSON.stringify(encoded)).not.toMatch(/(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/)
      }),
    )
  })

  test('may hold one object in several places', () => {
    const shared = { a: 1 }
    expect(throughJson([shared, shared])).toEqual([shared, shared])
  })

  test('may be 250 levels deep and no deeper', () => {
    const nested = (levels: number) => Array.from({ length: levels }).reduce<unknown>((inner) => [inner], 1)
    expect(throughJson(nested(250))).toEqual(nested(250))
    expect(() => encodeResult(nested(251))).toThrow(InvalidOptionError)
    expect(() => encodeResult(nested(100_000))).toThrow(InvalidOptionError)
  })
})

class Money {
  readonly cents = 1
}
const cyclic: { self?: unknown } = {}
cyclic.self = cyclic

describe('what cannot be stored is refused by its path', () => {
  test.each<[string, unknown, string]>([
    ['a function', { a: [1, { call: () => 1 }] }, 'result.a[1].call'],
    ['a symbol', [Symbol('s')], 'result[0]'],
    ['a field that a symbol names', { a: { [Symbol('s')]: 1 } }, 'result.a[Symbol(s)]'],
    ['a class instance', { price: new Money() }, 'result.price'],
    ['a Map', new Map(), 'result'],
    ['a RegExp', { pattern: /a/ }, 'result.pattern'],
    ['a Promise', { later: Promise.resolve(1) }, 'result.later'],
    ['an Error', new Error('no'), 'result'],
    ['an invalid Date', { at: new Date(NaN) }, 'result.at'],
    ['a Buffer', { bytes: Buffer.from('a') }, 'result.bytes'],
    ['another typed array', new Float64Array(1), 'result'],
    ['an array with a hole', { list: new Array(4_000_000_000) }, 'result.list'],
    ['an array with a field', { found: /a/.exec('a') }, 'result.found'],
    ['a cycle', { a: cyclic }, 'result.a.self'],
    ['a boxed number', { n: Object(1) as unknown }, 'result.n'],
  ])('%s', (_, value, option) => {
    expect(() => encodeResult(value)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', option }) as Error)
  })
})

describe('inputs are equal', () => {
  const text = (input: unknown) => canonicalText(input, 'input')

  test('in any order of their keys, at any depth', () => {
    expect(text({ a: 1, b: { c: [{ d: 1, $e: 2 }], f: 3 } })).toBe(text({ b: { f: 3, c: [{ $e: 2, d: 1 }] }, a: 1 }))
    fc.assert(
      fc.property(fc.dictionary(fc.string(), storedValue), (input) => {
        expect(text(Object.fromEntries(Object.entries(input).reverse()))).toBe(text(input))
      }),
    )
  })

  test('with and without a field that is undefined', () => {
    expect(text({ a: 1, b: undefined, $c: undefined })).toBe(text({ a: 1 }))
    expect(text([undefined])).not.toBe(text([]))
  })

  test('as Decimals of one value, and as one Date', () => {
    expect(text([new Decimal('1.50'), new Date(5)])).toBe(text([new Decimal(1.5), new Date(5)]))
  })

  test('and otherwise they are not', () => {
    const different = [
      1,
      '1',
      1n,
      new Decimal(1),
      [1],
      { a: 1 },
      null,
      undefined,
      {},
      [],
      'a',
      new Date(1),
      new Uint8Array([1]),
      NaN,
      { $bigint: '1' },
    ]
    expect(new Set(different.map(text)).size).toBe(different.length)
  })
})
