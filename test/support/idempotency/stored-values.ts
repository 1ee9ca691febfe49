import { Decimal } from '@prisma/client/runtime/client'
import fc from 'fast-check'

const leaf = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.constantFrom(0, -0, NaN, Infinity, -Infinity, 5e-324, 1.7976931348623157e308, 2 ** 53),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('\0', 'a\0b', '\ud800', '\\u0000', '"', '$date'),
  fc.boolean(),
  fc.constantFrom(null, undefined),
  fc.bigInt(),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array(),
  fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }).map((cents) => new Decimal(cents.toString()).div(100)),
  fc.constantFrom('-0', 'NaN', '-Infinity', '1e9000000', '1e-9000000').map((text) => new Decimal(text)),
)

// What the encoding itself, Prisma's JSON protocol and JavaScript's objects give a meaning to.
const RESERVED = [
  '$date',
  '$entries',
  '$undefined',
  '$null',
  '$pending',
  '$type',
  '$',
  '__proto__',
  'constructor',
  'toJSON',
  'set',
  '',
  '0',
]
const key = fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom(...RESERVED, 'a\0', '\udfff'))

/** Every kind of value that can be stored, nested, with hostile keys and strings. */
export const storedValue: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, leaf, tie('array'), tie('object')),
  array: fc.array(tie('value'), { maxLength: 6 }),
  object: fc.array(fc.tuple(key, tie('value')), { maxLength: 6 }).map((entries) => Object.fromEntries(entries) as object),
})).value
