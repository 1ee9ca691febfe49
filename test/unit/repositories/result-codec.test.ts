import { Decimal } from '@prisma/client/runtime/client'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeResult, encodeResult } from '../../../src/repositories/result-codec.js'

const field = fc.oneof(
  fc.integer(),
  fc.string(),
  fc.boolean(),
  fc.constant(null),
  fc.bigInt(),
  fc.date({ noInvalidDate: true }),
  fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }).map((cents) => new Decimal(cents.toString()).div(100)),
)
const row = fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), field, { noNullPrototype: true })
const result = fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.oneof(field, row), { noNullPrototype: true })

test('a result comes back from JSON with the same values and types', () => {
  fc.assert(
    fc.property(result, (value) => {
      expect(decodeResult(JSON.parse(JSON.stringify(encodeResult(value))))).toEqual(value)
    }),
  )
})
