import fc from 'fast-check'
import { InvalidOptionError } from 'rowlock'
import { type NodeRedisClient, redisLocker, type RedisLockerOptions } from 'rowlock/lockers'
import { expect, test } from 'vitest'

/** As far as it is looked at before anything is sent. */
const client: NodeRedisClient = {
  evalSha: () => undefined,
  eval: async () => ['held', '60000'],
  subscribe: async () => undefined,
  unsubscribe: async () => undefined,
  connect: async () => undefined,
  duplicate: () => client,
  on: () => client,
}

const notAClient = fc.oneof(
  fc.anything(),
  fc
    .subarray(Object.keys(client), { maxLength: Object.keys(client).length - 2 })
    .map((keys) => Object.fromEntries(keys.map((key) => [key, key]))),
  fc.constantFrom('eval', 'subscribe', 'unsubscribe', 'duplicate', 'on', 'evalSha').map((missing) => ({ ...client, [missing]: undefined })),
)

const notOptions = fc.oneof(
  fc.constantFrom(null, undefined, 30_000, '30s', [], [30_000], {}),
  fc
    .oneof(
      fc.constantFrom(null, undefined, '30000', 99, 100.5, 2 ** 31, -1, 0, Number.NaN, Number.POSITIVE_INFINITY, 500n),
      fc.integer({ max: 99 }),
      fc.double({ noInteger: true }),
    )
    .map((ttl) => ({ ttl })),
  fc
    .oneof(fc.integer(), fc.constantFrom(null, true, '\ud800', 'a\udfffb', Symbol('prefix')), fc.array(fc.string()))
    .map((prefix) => ({ ttl: 1_000, prefix })),
  fc
    .string({ minLength: 1 })
    .filter((name) => !['ttl', 'prefix', '__proto__'].includes(name))
    .map((name) => ({ ttl: 1_000, [name]: true })),
)

test('a thousand bad inputs are refused when the locker is made', () => {
  const refused = (...args: unknown[]) => {
    expect(() => redisLocker(...(args as [NodeRedisClient, RedisLockerOptions]))).toThrow(InvalidOptionError)
  }
  fc.assert(
    fc.property(notAClient, (one) => refused(one, { ttl: 1_000 })),
    { numRuns: 500 },
  )
  fc.assert(
    fc.property(notOptions, (options) => refused(client, options)),
    { numRuns: 500 },
  )
})

test('a ttl that is left out is refused as what it is', () => {
  for (const ttl of [undefined, null]) {
    expect(() => redisLocker(client, { ttl } as unknown as RedisLockerOptions)).toThrow(
      `Option \`ttl\` must be a whole number from 100 to 2147483647; ${ttl} was given.`,
    )
  }
})

test('the bounds of its options are allowed', () => {
  for (const options of [{ ttl: 100 }, { ttl: 2 ** 31 - 1 }, { ttl: 100, prefix: '' }, { ttl: 100, prefix: '🔒 {a}\0' }]) {
    expect(Object.keys(redisLocker(client, options))).toEqual(['acquire', 'withLock'])
  }
})

test('a wait that cannot be woken fails with the error of the subscription, and the next one subscribes again', async () => {
  const refusals = [new Error('NOPERM no access to the channel'), new Error('NOPERM again')]
  const locker = redisLocker(
    { ...client, duplicate: () => ({ ...client, subscribe: () => Promise.reject(refusals[0]!) }) },
    { ttl: 60_000 },
  )
  await expect(locker.acquire('key')).rejects.toBe(refusals.at(0))
  refusals.shift()
  await expect(locker.acquire('key')).rejects.toBe(refusals.at(0))
})

test('errors of the client are thrown as they are', async () => {
  const error = new Error('READONLY You can not write against a read only replica')
  const locker = redisLocker({ ...client, eval: () => Promise.reject(error) }, { ttl: 60_000 })
  await expect(locker.acquire('key')).rejects.toBe(error)
  await expect(locker.acquire('key', { nowait: true })).rejects.toBe(error)
})
