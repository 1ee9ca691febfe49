import fc from 'fast-check'
import { advisoryLockKey, type AdvisoryLockKey, InvalidOptionError } from 'rowlock'
import { describe, expect, test } from 'vitest'

const RUNS = { numRuns: 10_000, seed: 20_261_121 }

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const text = fc.string({ unit: 'binary' })
const part = fc.oneof(text, fc.maxSafeInteger(), int64)
const key = fc.oneof(part, fc.array(part, { minLength: 1, maxLength: 4 }))

/** Equal for keys that are to be the same lock: a number and a bigint of the same value are. */
const identity = (value: AdvisoryLockKey): string =>
  JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'bigint' || typeof item === 'number' ? `n${item === 0 ? 0 : item}` : typeof item === 'string' ? `s${item}` : item,
  )

describe('a string or tuple has a number that other programs can compute', () => {
  // python3: struct.unpack('>q', hashlib.sha256(b's14:nightly-report').digest()[:8])
  test.each<[AdvisoryLockKey, bigint]>([
    ['nightly-report', 7825666584319363408n],
    ['', -319432914950761140n],
    ['é', 389212784176449463n],
    [['a'], -2689543425912785701n],
    [['ab', 'c'], 1210218488877883885n],
    [['a', 'bc'], -876936053178754732n],
    [['1'], -2895816552884990775n],
    [[1], -2318563548986091771n],
    [[1n, 'x'], 1412515899905236339n],
    [[-5n], 8466803098475238964n],
  ])('%o is %s', (given, expected) => {
    expect(advisoryLockKey(given)).toBe(expected)
  })
})

test('a whole number is itself', () => {
  fc.assert(
    fc.property(int64, (value) => advisoryLockKey(value) === value),
    RUNS,
  )
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => advisoryLockKey(value) === BigInt(value)),
    RUNS,
  )
  expect(advisoryLockKey(-0)).toBe(0n)
})

test('every key fits into 64 bits and has the same number every time', () => {
  fc.assert(
    fc.property(key, (value) => {
      const number = advisoryLockKey(value)
      expect(BigInt.asIntN(64, number)).toBe(number)
      expect(advisoryLockKey(Array.isArray(value) ? [...(value as string[])] : value)).toBe(number)
    }),
    RUNS,
  )
})

test('different keys have different numbers', () => {
  fc.assert(
    fc.property(key, key, (one, other) => {
      fc.pre(identity(one) !== identity(other))
      expect(advisoryLockKey(one)).not.toBe(advisoryLockKey(other))
    }),
    RUNS,
  )
})

test('keys that look alike have different numbers', () => {
  const alike: AdvisoryLockKey[] = [
    '1',
    1,
    ['1'],
    [1],
    ['1', ''],
    ['', '1'],
    [1, ''],
    's1:1',
    'n1;',
    'ts1:1',
    ['s1:1'],
    ['n1;'],
    [11],
    [1, 1],
    ['1', '1'],
    ['11'],
  ]
  expect(new Set(alike.map((value) => advisoryLockKey(value))).size).toBe(alike.length)
})

test('a number and a bigint of the same value are the same key, in a tuple too', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      expect(advisoryLockKey(value)).toBe(advisoryLockKey(BigInt(value)))
      expect(advisoryLockKey([value])).toBe(advisoryLockKey([BigInt(value)]))
    }),
    RUNS,
  )
})

test.each([
  NaN,
  Infinity,
  0.5,
  2 ** 53,
  2n ** 63n,
  -(2n ** 63n) - 1n,
  undefined,
  null,
  true,
  {},
  [],
  [null],
  [['a']],
  ['a', 0.5],
  Symbol('s'),
  new Date(0),
  new Array(1),
])('%o is refused', (value) => {
  expect(() => advisoryLockKey(value as never)).toThrow(InvalidOptionError)
})

test('a bad part of a tuple is named by its place', () => {
  expect(() => advisoryLockKey(['a', 0.5])).toThrow('key[1]')
})
