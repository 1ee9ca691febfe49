import fc from 'fast-check'
import { expect, test } from 'vitest'
import { storableKey } from '../../../src/lockers/storable-key.js'
import { ODD_KEYS } from '../../support/lockers/locker-checks.js'

const strings = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.integer({ min: 0xd700, max: 0xe000 }).map((unit) => String.fromCharCode(unit)) }),
)

test('a key that people can read is its own name', () => {
  for (const key of ['a', 'user:1', '🔒', "it's", 'x'.repeat(200)]) expect(storableKey(key)).toBe(key)
})

test('every other key has a short name of plain characters', () => {
  for (const key of ['a\0b', '\ud800', '\n', 'x'.repeat(201), storableKey('\0')]) expect(storableKey(key)).toMatch(/^sha256:[0-9a-f]{64}$/)
})

test('two keys never share a name', () => {
  const keys = [...ODD_KEYS, ...ODD_KEYS.map(storableKey)]
  expect(new Set(keys.map(storableKey)).size).toBe(new Set(keys).size)
  fc.assert(fc.property(strings, strings, (one, other) => (storableKey(one) === storableKey(other)) === (one === other)))
})

test('every name goes through UTF-8 and back, and has no NUL', () => {
  fc.assert(
    fc.property(strings, (key) => {
      const name = storableKey(key)
      expect(Buffer.from(name).toString()).toBe(name)
      expect(name).not.toContain('\0')
    }),
  )
})
