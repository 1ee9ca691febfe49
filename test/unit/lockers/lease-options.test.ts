import { PrismaPg } from '@prisma/adapter-pg'
import fc from 'fast-check'
import { InvalidOptionError } from 'rowlock'
import { guardedWrite, leaseLocker, type LeaseLockerOptions, type SweepLeasesOptions } from 'rowlock/lockers'
import { expect, test } from 'vitest'
import { PrismaClient } from '../../../src/generated/prisma/client.js'

const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: 'postgresql://localhost/never-connected' }) })

const notATtl = fc.oneof(
  fc.constantFrom(undefined, null, 0, 99, 100.5, -100, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '1000', 1_000n, true),
  fc.integer({ max: 99 }),
  fc.integer({ min: 2 ** 31, max: Number.MAX_SAFE_INTEGER }),
  fc.double({ min: 100, max: 1_000, noInteger: true }),
  fc.string(),
  fc.object(),
)
const notAModel = fc.oneof(
  fc.constantFrom(null, '', 'lease', 'LEASE', 'User', 'Company', 'constructor', '__proto__', 5),
  fc.object(),
  fc.string(),
)
const unknownKey = fc.string().filter((name) => !['ttl', 'model', 'olderThan', '__proto__'].includes(name))
const notOptions = fc.oneof(
  fc.constantFrom(undefined, null, 1_000, '1000', true, [], [1_000]),
  notATtl.map((ttl) => ({ ttl })),
  notAModel.map((model) => ({ ttl: 1_000, model })),
  unknownKey.map((name) => ({ ttl: 1_000, [name]: 1 })),
)

test('a thousand wrong options are refused when the locker is made', () => {
  fc.assert(
    fc.property(notOptions, (options) => {
      expect(() => leaseLocker(prisma, options as LeaseLockerOptions)).toThrow(InvalidOptionError)
    }),
    { numRuns: 1_000 },
  )
})

test('a thousand wrong tokens are refused before anything else is looked at', async () => {
  const notAToken = fc.oneof(
    fc.constantFrom(undefined, null, 0n, -1n, 2n ** 63n, '1', 1, 1.5, Number.NaN, true),
    fc.bigInt({ max: 0n }),
    fc.bigInt({ min: 2n ** 63n }),
    fc.integer(),
    fc.string(),
    fc.object(),
  )
  const locker = leaseLocker(prisma, { ttl: 1_000 })
  await fc.assert(
    fc.asyncProperty(notAToken, async (token) => {
      await expect(guardedWrite(prisma, token as bigint)).rejects.toThrow(InvalidOptionError)
      await expect(locker.guardedWrite(prisma, token as bigint)).rejects.toThrow(InvalidOptionError)
    }),
    { numRuns: 1_000 },
  )
})

test('a sweep refuses what would forget leases that were free a moment ago', async () => {
  const notAnAge = fc.oneof(
    fc.constantFrom(null, '60000', 59_999, 60_000.5, 1e12 + 1, Number.NaN),
    fc.integer({ max: 59_999 }),
    fc.object(),
  )
  const notSweepOptions = fc.oneof(
    fc.constantFrom(null, 60_000, [], true),
    notAnAge.map((olderThan) => ({ olderThan })),
    unknownKey.map((name) => ({ [name]: 60_000 })),
  )
  const locker = leaseLocker(prisma, { ttl: 1_000 })
  await fc.assert(
    fc.asyncProperty(notSweepOptions, async (options) => {
      await expect(locker.sweep(options as SweepLeasesOptions)).rejects.toThrow(InvalidOptionError)
    }),
  )
})

test('what is no client is refused', async () => {
  for (const client of [undefined, null, {}, 'prisma', () => undefined, { $queryRawUnsafe: 5 }]) {
    expect(() => leaseLocker(client as never, { ttl: 1_000 })).toThrow(InvalidOptionError)
  }
  const tx = Object.assign(Object.create(prisma) as object, { [Symbol.for('prisma.client.transaction.scope_context')]: { kind: 'nested' } })
  expect(() => leaseLocker(tx as never, { ttl: 1_000 })).toThrow(InvalidOptionError)
})

test('a client without the model is told to copy it', () => {
  const withoutLease = { _runtimeDataModel: { models: {} }, $queryRawUnsafe: async () => [] as never }
  expect(() => leaseLocker(withoutLease, { ttl: 1_000 })).toThrow(/copy `Lease`/)
})
