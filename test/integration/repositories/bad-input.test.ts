import fc from 'fast-check'
import { InvalidOptionError } from 'rowlock'
import {
  buyAnyTicket,
  buyTicket,
  credit,
  decrementCount,
  findTickets,
  incrementCount,
  placeOrder,
  setCount,
  signIn,
  withdraw,
} from 'rowlock/repositories'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { PrismaPg } from '@prisma/adapter-pg'
import type { Pool } from 'pg'
import { lockable } from 'rowlock'
import { Prisma, PrismaClient } from '../../../src/generated/prisma/client.js'
import { useDatabase } from '../../support/database.js'
import { createTamperedClient } from '../../support/repositories/tampered-client.js'

const database = useDatabase()
const sent: string[] = []
let prisma: ReturnType<typeof createTamperedClient>['prisma']
let pool: Pool
beforeAll(() => {
  ;({ prisma, pool } = createTamperedClient(database, { before: (sql) => sent.push(sql) }))
})
afterEach(() => {
  sent.length = 0
})

type Input = Record<string, unknown>
type Operation = (db: never, input: never, options?: never) => Promise<unknown>

const MAX_INT = 2_147_483_647
const anything = fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true, withTypedArray: true })
const isWhole = (value: unknown, min: number) => typeof value === 'number' && Number.isInteger(value) && value >= min && value <= MAX_INT
const isDecimalText = (value: unknown) => typeof value === 'string' && /^[0-9]{1,16}([.][0-9]{1,2})?$/.test(value) && /[1-9]/.test(value)

const badWhole = (min: number) =>
  fc
    .oneof(
      anything,
      fc.double(),
      fc.integer({ max: min - 1 }),
      fc.integer({ min: MAX_INT }).map((n) => n + 1),
      fc.bigInt(),
      fc.integer().map(String),
    )
    .filter((value) => !isWhole(value, min))

const badAmount = fc
  .oneof(
    anything,
    fc.string(),
    fc.double(),
    fc.bigInt(),
    fc.integer({ max: 0 }),
    fc.integer({ max: 0 }).map(String),
    fc.tuple(fc.nat(), fc.integer({ min: 1, max: 9 })).map(([whole, last]) => `${whole}.00${last}`),
    fc.constantFrom('1e2', '0', '0.00', '-0', '1.', '.5', ' 1', '1 ', '+1', '1,5', 'Infinity', 'NaN', '0x10', '10000000000000000', '1_000'),
    fc.constantFrom('0', '-1', '0.001', '1.234', 'NaN', 'Infinity', '1e30', '10000000000000000').map((text) => new Prisma.Decimal(text)),
    fc.constant({ d: [1], e: 0, s: 1, [Symbol.toStringTag]: '[object Decimal]', toStringTag: '[object Decimal]' }),
  )
  .filter((value) => !isDecimalText(value) && !(Number.isSafeInteger(value) && (value as number) > 0))

const badText = fc
  .oneof(anything, fc.constantFrom('', 'a\0b', '\ud800', 'x\udc00y'), fc.string({ minLength: 256, maxLength: 300 }))
  .filter((value) => typeof value !== 'string' || value.length === 0 || value.length > 255 || /[\0\ud800-\udfff]/.test(value))

const badKey = badText.filter((value) => value !== undefined)
const badNow = fc
  .oneof(anything, fc.constantFrom(new Date(NaN), new Date(-1), new Date(8.64e15)))
  .filter((value) => value !== undefined && !(value instanceof Date && value.getTime() >= 0 && value.getTime() < Date.UTC(9999, 11, 30)))
const badTimeZone = fc.oneof(anything, fc.constantFrom('local', 'UTC+2', 'Mars/Olympus', '')).filter((value) => value !== undefined)
const badTime = fc.oneof(anything, fc.constantFrom('24:00', '8:00', '08:60', '08:00:00', '')).filter((value) => value !== undefined)
const badReward = badWhole(1).filter((value) => value !== undefined)
const badCoupons = fc
  .oneof(
    anything,
    fc.array(fc.record({ from: badAmount, value: fc.constant(1) }), { minLength: 1 }),
    fc.array(fc.record({ from: fc.constant(1), value: badAmount }), { minLength: 1 }),
    fc.constant([
      { from: 1, value: 1 },
      { from: '1.00', value: 2 },
    ]),
    fc.constant([{ from: 1, value: 1, extra: 1 }]),
  )
  .filter((value) => value !== undefined && !(Array.isArray(value) && value.length === 0))

/** Valid arguments, of which one at a time goes bad. */
interface Case {
  readonly operation: Operation
  readonly valid: Input
  readonly bad: Record<string, fc.Arbitrary<unknown>>
  readonly badOptions?: Record<string, fc.Arbitrary<unknown>>
}

const movement = { valid: { userId: 1, amount: 1 }, bad: { userId: badWhole(1), amount: badAmount, idempotencyKey: badKey } }
const purchase = { valid: { eventId: 1, userId: 1 }, bad: { eventId: badWhole(1), userId: badWhole(1) } }
const change = { valid: { company: 'Acme', count: 1 }, bad: { company: badText, count: badWhole(1) } }

const cases: Record<string, Case> = {
  signIn: {
    operation: signIn,
    valid: { userId: 1 },
    bad: { userId: badWhole(1), now: badNow },
    badOptions: { timeZone: badTimeZone, dayStartsAt: badTime, reward: badReward },
  },
  credit: { operation: credit, ...movement, badOptions: { coupons: badCoupons } },
  withdraw: { operation: withdraw, ...movement },
  setCount: { operation: setCount, ...change, bad: { ...change.bad, count: badWhole(0) } },
  incrementCount: { operation: incrementCount, ...change },
  decrementCount: { operation: decrementCount, ...change },
  findTickets: { operation: findTickets, valid: { eventId: 1 }, bad: { eventId: badWhole(1) } },
  buyTicket: { operation: buyTicket, ...purchase },
  buyAnyTicket: { operation: buyAnyTicket, ...purchase },
  placeOrder: {
    operation: placeOrder,
    valid: { userId: 1, orderId: 'a', amount: 1 },
    bad: { userId: badWhole(1), orderId: badText, amount: badAmount },
  },
}

function oneBad(valid: Input, bad: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> {
  const fields = Object.entries(bad).map(([name, value]) => value.map((wrong) => ({ ...valid, [name]: wrong })))
  const unknownKey = fc.tuple(fc.string(), anything).filter(([key]) => !(key in valid) && !(key in bad) && key !== '__proto__')
  const noObject = anything.filter((value) => typeof value !== 'object' || value === null || Array.isArray(value))
  return fc.oneof(
    ...fields,
    unknownKey.map(([key, value]) => ({ ...valid, [key]: value })),
    noObject,
  )
}

function argumentsOf({ valid, bad, badOptions }: Case): fc.Arbitrary<unknown[]> {
  const input = oneBad(valid, bad).map((wrong) => [wrong])
  if (!badOptions) return input
  return fc.oneof(
    input,
    oneBad({}, badOptions)
      .filter((wrong) => wrong !== undefined)
      .map((wrong) => [valid, wrong]),
  )
}

test.each(Object.entries(cases))('%s refuses 1,000 bad inputs by name and sends nothing', async (_, testCase) => {
  await fc.assert(
    fc.asyncProperty(argumentsOf(testCase), async (args) => {
      const error: unknown = await testCase.operation(prisma as never, ...(args as [never])).then(
        () => 'no error',
        (reason: unknown) => reason,
      )
      expect(error).toBeInstanceOf(InvalidOptionError)
      expect((error as InvalidOptionError).option).not.toBe('db')
    }),
    { numRuns: 1_000 },
  )
  expect(sent).toEqual([])
  expect([pool.totalCount, pool.waitingCount]).toEqual([0, 0])
})

test.each(Object.entries(cases))('%s refuses what is no client with rowLocks()', async (_, { operation, valid }) => {
  const plain = new PrismaClient({ adapter: lockable(new PrismaPg({ connectionString: database.url })) })
  for (const db of [plain, undefined, null, {}, 'db', 1]) {
    await expect(operation(db as never, valid as never)).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'db' })
  }
  await plain.$transaction(async (tx) => {
    await expect(operation(tx as never, valid as never)).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'db' })
  })
  await plain.$disconnect()
})
