import { PrismaPg } from '@prisma/adapter-pg'
import fc from 'fast-check'
import type { Pool } from 'pg'
import { InvalidOptionError, lockable, rowLocks } from 'rowlock'
import { claim, complete, extend, fail } from 'rowlock/lockers'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { useDatabase } from '../../support/database.js'
import { createTamperedClient } from '../../support/repositories/tampered-client.js'

const RUNS = { numRuns: 1_000, seed: 20_261_121 }
const database = useDatabase()
const sent: string[] = []
let prisma: ReturnType<typeof createTamperedClient>['prisma']
let pool: Pool
beforeAll(() => {
  ;({ prisma, pool } = createTamperedClient(database, { before: (sql) => sent.push(sql) }))
})
beforeEach(() => {
  sent.length = 0
})

type Input = Record<string, unknown>
type Bad = Record<string, fc.Arbitrary<unknown>>

const anything = fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true, withTypedArray: true, withMap: true })
const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value)
const isPlain = (value: unknown) => isObject(value) && [Object.prototype, null].includes(Object.getPrototypeOf(value) as null)

const badWhole = (min: number, max: number) =>
  fc
    .oneof(anything, fc.double(), fc.integer({ max: min - 1 }), fc.constant(max + 1), fc.bigInt(), fc.integer().map(String))
    .filter((value) => !(Number.isInteger(value) && (value as number) >= min && (value as number) <= max))
const HUNDRED_YEARS = 3_155_760_000_000
const given = (values: fc.Arbitrary<unknown>) => values.filter((value) => value !== undefined)

const badField = (part: string) =>
  fc
    .oneof(anything, fc.constantFrom('queue', 'payload', 'id', 'nothing', 'constructor', ''))
    .filter((field) => field !== undefined && field !== part && !(part === 'error' && field === 'queue'))
const REQUIRED = ['attempt', 'leaseExpiresAt', 'completedAt']
const OPTIONAL = ['runAt', 'failedAt', 'error']
const badColumns = fc.oneof(
  ...REQUIRED.map((part) => badField(part).map((field) => ({ [part]: field }))),
  ...OPTIONAL.map((part) =>
    badField(part)
      .filter((field) => field !== null)
      .map((field) => ({ [part]: field })),
  ),
  // Two parts in one field, and parts that there are not.
  fc.constantFrom({ failedAt: 'completedAt' }, { completedAt: 'leaseExpiresAt' }, { finishedAt: 'completedAt' }),
  anything.filter((value) => value !== undefined && !isObject(value)),
)

const badWhere = anything.filter((value) => value !== undefined && !isPlain(value))
const badOrder = fc.oneof(
  badWhere.filter((value) => !Array.isArray(value)),
  fc.array(badWhere, { minLength: 1 }),
)
const badId = anything.filter((value) => typeof value !== 'bigint' && !Number.isSafeInteger(value))
const tooLarge = fc.constantFrom(2n ** 63n, -(2n ** 63n) - 1n, 2 ** 53, 1.5, NaN, '1', { gt: 0n }, [1n], null)

const job = { id: 1n, attempt: 1 }
const badJob = fc.oneof(
  badId.map((id) => ({ ...job, id })),
  tooLarge.map((id) => ({ ...job, id })),
  badWhole(1, 2 ** 31 - 1).map((attempt) => ({ ...job, attempt })),
  fc.constantFrom({ id: 1n }, { attempt: 1 }, {}),
  anything.filter((value) => !isObject(value)),
)

/** Options of which one is wrong, or unknown, or all of them no object. */
function oneBad(valid: Input, bad: Bad): fc.Arbitrary<unknown> {
  const wrong = Object.entries(bad).map(([name, values]) => values.map((value) => ({ ...valid, [name]: value })))
  const unknown = fc.tuple(
    fc.oneof(fc.string(), fc.constantFrom('include', 'select', 'distinct', 'skip', 'cursor', 'lock', 'omit')),
    anything,
  )
  return fc.oneof(
    ...wrong,
    unknown
      .filter(([key]) => !(key in valid) && !(key in bad) && key !== 'error' && key !== '__proto__')
      .map(([key, value]) => ({ ...valid, [key]: value })),
    anything.filter((value) => value !== undefined && !isObject(value)),
  )
}

type Operation = (...args: never[]) => Promise<unknown>
const columns = badColumns
const lease = badWhole(1, HUNDRED_YEARS)
const withJob = (options: Input, bad: Bad) =>
  fc.oneof(
    badJob.map((wrong) => [wrong, options]),
    oneBad(options, bad).map((wrong) => [job, wrong]),
  )

interface Case {
  readonly operation: Operation
  readonly valid: unknown[]
  readonly bad: fc.Arbitrary<unknown[]>
}

const claimBad = { lease, take: given(badWhole(1, 1_000)), where: badWhere, orderBy: badOrder, columns }
const failBad = { retryIn: given(badWhole(0, HUNDRED_YEARS)), columns }
const cases: Record<string, Case> = {
  claim: { operation: claim, valid: [{ lease: 1 }], bad: oneBad({ lease: 1 }, claimBad).map((options) => [options]) },
  complete: { operation: complete, valid: [job], bad: withJob({}, { columns }) },
  fail: { operation: fail, valid: [job, { error: 'x' }], bad: withJob({ error: 'x' }, failBad) },
  extend: { operation: extend, valid: [job, { lease: 1 }], bad: withJob({ lease: 1 }, { lease, columns }) },
}

describe.each(Object.entries(cases))('%s', (_, { operation, valid, bad }) => {
  const call = operation as (...args: unknown[]) => Promise<unknown>

  test(`refuses 1,000 bad inputs by name and sends nothing (seed ${RUNS.seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(bad, async (args) => {
        const error = await call(prisma.job, ...args).then(
          () => 'no error',
          (reason: unknown) => reason,
        )
        expect(error).toBeInstanceOf(InvalidOptionError)
        expect((error as InvalidOptionError).option).toMatch(/^(options|lease|take|where|orderBy|retryIn|error|job|columns)(\.|$)/)
      }),
      RUNS,
    )
    expect(sent).toEqual([])
    expect([pool.totalCount, pool.waitingCount]).toEqual([0, 0])
  })

  test('refuses what is no model of a client with rowLocks()', async () => {
    const plain = new PrismaClient({ adapter: lockable(new PrismaPg({ connectionString: database.url })) })
    for (const model of [plain.job, prisma, prisma.job.findMany, undefined, null, 'job', 1, {}, { $rowlockSchema: true }]) {
      await expect(call(model, ...valid)).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'model' })
    }
    await plain.$disconnect()
  })
})

test('fail wants to know why', async () => {
  await expect(fail(prisma.job, job, {} as never)).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'error' })
  expect(sent).toEqual([])
})

test('a model without the required fields is refused by the name of the first one that lacks', async () => {
  await expect(claim(prisma.wallet as never, { lease: 1 })).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    option: 'columns.attempt',
    message: 'Option `columns.attempt` must be the name of a field of Wallet of type Int, as it has no `attempt`; undefined was given.',
  })
  await expect(claim(prisma.company as never, { lease: 1, columns: { attempt: 'count' } })).rejects.toMatchObject({
    option: 'columns.leaseExpiresAt',
  })
  await expect(claim(prisma.event as never, { lease: 1, columns: { attempt: 'id' } })).rejects.toMatchObject({
    option: 'columns.attempt',
    allowed: 'a field that has no other part and is not in the key',
  })
})

test('without lockable() around the adapter nothing is claimed, and the call says why', async () => {
  await database.sql`INSERT INTO "Job" DEFAULT VALUES`
  const client = new PrismaClient({ adapter: new PrismaPg({ connectionString: database.url }) }).$extends(rowLocks())
  await expect(claim(client.job, { lease: 1 })).rejects.toMatchObject({ code: 'LOCK_NOT_APPLIED', model: 'Job' })
  await expect(complete(client.job, job)).rejects.toMatchObject({ code: 'LOCK_NOT_APPLIED', model: 'Job' })
  expect(await client.job.count({ where: { attempt: 0 } })).toBe(1)
  await client.$disconnect()
})

test('a function from outside in place of `lock` is no claim', async () => {
  for (const lock of [() => undefined, Object.assign(() => undefined, { update: {} })]) {
    await expect(prisma.job.findMany({ lock } as never)).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'lock' })
  }
  expect(sent).toEqual([])
})
