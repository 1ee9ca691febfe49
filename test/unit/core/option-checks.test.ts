import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { InvalidOptionError, isRowLockError } from '../../../src/core/errors.js'
import { assertSignal, isArray, propertyOf, readOptions } from '../../../src/core/option-checks.js'

const failure = new Error('thrown by a getter')
const thrower = () => {
  throw failure
}
const revoked = (target: object): object => {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

function refusalOf(call: () => unknown): InvalidOptionError {
  try {
    call()
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidOptionError)
    return error as InvalidOptionError
  }
  throw new Error('It was not refused.')
}

describe('options', () => {
  test('are read once: what was checked is what is used', () => {
    let asked = 0
    const options = {
      get timeout() {
        return ++asked
      },
    }
    const read = readOptions(options, ['timeout'], 'options')
    expect([read.timeout, read.timeout, asked]).toEqual([1, 1, 1])
  })

  test('with a getter that throws are refused with the name of it, and what it threw as the cause', () => {
    const error = refusalOf(() =>
      readOptions(Object.defineProperty({}, 'timeout', { get: thrower, enumerable: true }), ['timeout'], 'options'),
    )
    expect(error).toMatchObject({ option: 'options.timeout', cause: failure })
  })

  test.each(['ownKeys', 'has', 'get', 'getOwnPropertyDescriptor'] as const)('behind a proxy whose %s throws are refused', (trap) => {
    refusalOf(() => readOptions(new Proxy({ timeout: 1 }, { [trap]: thrower }), ['timeout'], 'options'))
  })

  test.each([{}, [], () => undefined])('behind a revoked proxy are refused', (target) => {
    refusalOf(() => readOptions(revoked(target), ['timeout'], 'options'))
  })

  test('have no key that came from a prototype', () => {
    refusalOf(() => readOptions(JSON.parse('{"__proto__": {"timeout": 1}}') as object, ['timeout'], 'options'))
  })
})

describe('what was given', () => {
  // Not by test.each, which reads what it is given.
  test('is described shortly and without its own code, and no error of its own', () => {
    for (const given of [10n ** 100_000n, 'x'.repeat(1_000_000), Symbol('s'), revoked({}), revoked([]), -0, Object.create(null)]) {
      const error = new InvalidOptionError('x'.repeat(100_000), given, 'something else')
      expect(error.message.length).toBeLessThan(300)
      expect(Object.is(error.given, given)).toBe(true)
    }
  })

  test('is not logged with the error, as it may be a client with its password', () => {
    const error = new InvalidOptionError('prisma', { connectionString: 'postgresql://me:secret@host/x' }, 'a client')
    expect(inspect(error, { depth: null })).not.toContain('secret')
    expect(JSON.stringify(error)).not.toContain('secret')
  })
})

test('a signal is one that works, and not what has its prototype', () => {
  assertSignal(new AbortController().signal, 'signal')
  assertSignal(AbortSignal.abort(), 'signal')
  for (const given of [Object.create(AbortSignal.prototype), { aborted: false }, revoked({})]) {
    expect(refusalOf(() => assertSignal(given, 'signal')).option).toBe('signal')
  }
})

test('anything that was thrown can be asked whether it is an error of rowlock', () => {
  for (const thrown of [undefined, null, Symbol('s'), revoked({}), new Proxy({}, { get: thrower })])
    expect(isRowLockError(thrown)).toBe(false)
})

test('anything can be asked for a property, and whether it is an array', () => {
  for (const value of [undefined, null, 1, revoked({}), new Proxy({}, { get: thrower })]) expect(propertyOf(value, 'x')).toBeUndefined()
  expect([isArray([]), isArray(new Proxy([], {})), isArray(revoked([])), isArray({ length: 1 })]).toEqual([true, true, false, false])
})
