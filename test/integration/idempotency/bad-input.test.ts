import fc from 'fast-check'
import type { Pool } from 'pg'
import { InvalidOptionError } from 'rowlock'
import { once, sweepOnce } from 'rowlock/lockers'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { createTamperedClient } from '../../support/repositories/tampered-client.js'
import type { TestClient } from '../../support/client.js'

const database = useDatabase()
const sent: string[] = []
let prisma: TestClient
let pool: Pool
beforeAll(() => {
  ;({ prisma, pool } = createTamperedClient(database, { before: (sql) => sent.push(sql) }))
})
afterEach(() => {
  expect(sent).toEqual([])
  expect([pool.totalCount, pool.waitingCount]).toEqual([0, 0])
})

const anything = fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true, withTypedArray: true })
const isText = (value: unknown) => typeof value === 'string' && value.length > 0 && value.length <= 255 && !/[\0\p{Surrogate}]/u.test(value)

const badText = fc
  .oneof(anything, fc.constantFrom('', 'a\0b', '\ud800', 'x\udc00y'), fc.string({ minLength: 256, maxLength: 300 }))
  .filter((value) => !isText(value))

class Money {
  readonly cents = 1
}
const unstorable = fc.constantFrom<unknown>(
  ...[() => 1, Symbol('s'), new Money(), new Map(), new Set(), /a/, new Error('e'), Promise.resolve(1), new Date(NaN), Buffer.from('a')],
  ...[
    new Float64Array(1),
    new ArrayBuffer(1),
    new Array(2),
    Object(1),
    { [Symbol('s')]: 1 },
    Money,
    new Proxy(new Map(), {}),
    new WeakMap(),
  ],
)
/** Anything that ends in what cannot be stored, or in itself, and the path to there. */
const badInput = fc
  .tuple(fc.array(fc.oneof(fc.nat(3), fc.stringMatching(/^[a-z$]{1,5}$/)), { maxLength: 6 }), fc.option(unstorable))
  .map(([path, wrong]) => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    const input = path.reduceRight<unknown>((inner, step) => nest(step, inner), wrong ?? cycle)
    return { input, path: `input${path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('')}` }
  })

function nest(step: number | string, inner: unknown): unknown {
  return typeof step === 'number' ? [...Array<number>(step).fill(0), inner] : { first: 1, [step]: inner }
}

const badOptions = fc.oneof(
  anything.filter((value) => value !== undefined && (typeof value !== 'object' || value === null || Array.isArray(value))),
  badText.filter((value) => value !== undefined).map((operation) => ({ operation })),
  fc
    .tuple(
      fc.string().filter((key) => !['operation', '__proto__'].includes(key)),
      anything,
    )
    .map(([key, value]) => ({ [`x${key}`]: value })),
  fc.constantFrom({ timeout: 0 }, { maxWait: -1 }, { isolationLevel: 'Snapshot' }, { retry: { attempts: 0 } }, { signal: 1 }),
)

const badCall = fc.oneof(
  badText.map((key) => [key, 1, async () => 1]),
  badInput.map(({ input }) => ['key', input, async () => 1]),
  anything.map((run) => ['key', 1, run]),
  badOptions.map((options) => ['key', 1, async () => 1, options]),
)

const refusalOf = async (call: Promise<unknown>): Promise<InvalidOptionError> => {
  const error: unknown = await call.then(
    () => 'no error',
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(InvalidOptionError)
  return error as InvalidOptionError
}

test('once refuses 1,000 bad inputs by name and sends nothing', async () => {
  await fc.assert(
    fc.asyncProperty(badCall, async (args) => {
      const { option } = await refusalOf(once(prisma, ...(args as [never, never, never])))
      expect(option).not.toBe('db')
    }),
    { numRuns: 1_000 },
  )
})

test('once names the place in the input that it cannot take', async () => {
  await fc.assert(
    fc.asyncProperty(badInput, async ({ input, path }) => {
      const { option } = await refusalOf(once(prisma, 'key', input, async () => 1))
      expect(option.startsWith(path), `${option} in ${path}`).toBe(true)
    }),
  )
})

test('sweepOnce refuses 1,000 bad options by name and sends nothing', async () => {
  const isAge = (value: unknown) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 1e12
  const badAge = fc
    .oneof(anything, fc.double(), fc.integer({ max: -1 }), fc.constantFrom(1e12 + 1, NaN, Infinity, '1'))
    .filter((value) => !isAge(value))
  const badLimit = fc
    .oneof(anything, fc.double(), fc.integer({ max: 0 }))
    .filter((value) => value !== undefined && !(Number.isSafeInteger(value) && (value as number) > 0))
  const bad = fc.oneof(
    anything.filter((value) => typeof value !== 'object' || value === null || !('olderThan' in value)),
    badAge.map((olderThan) => ({ olderThan })),
    badLimit.map((limit) => ({ olderThan: 1, limit })),
    fc.constant({ olderThan: 1, extra: 1 }),
  )
  await fc.assert(
    fc.asyncProperty(bad, async (options) => {
      const { option } = await refusalOf(sweepOnce(prisma, options as never))
      expect(option).not.toBe('db')
    }),
    { numRuns: 1_000 },
  )
})

describe('what is no client with rowLocks() and the model is refused', () => {
  const run = async () => 1

  test.each([undefined, null, {}, 'db', 1])('%s', async (db) => {
    expect((await refusalOf(once(db as never, 'key', 1, run))).option).toBe('db')
    expect((await refusalOf(sweepOnce(db as never, { olderThan: 1 }))).option).toBe('db')
  })

  test('a client whose schema has no such model, or one with other fields', async () => {
    const models = (prisma as unknown as { _runtimeDataModel: { models: Record<string, { fields: { name: string }[] }> } })
      ._runtimeDataModel.models
    const { IdempotencyRecord: record, ...others } = models
    const renamed = { ...record, fields: record!.fields.map((field) => ({ ...field, name: field.name.replace('inputHash', 'hash') })) }
    for (const changed of [others, { ...others, IdempotencyRecord: renamed }]) {
      const client = new Proxy(prisma, {
        get: (target, key) => (key === '_runtimeDataModel' ? { models: changed } : (Reflect.get(target, key) as unknown)),
      })
      const error = await refusalOf(once(client, 'key', 1, run))
      expect(error.message).toContain('a client with the model `IdempotencyRecord` (operation, key, inputHash, result, createdAt)')
      expect((await refusalOf(sweepOnce(client, { olderThan: 1 }))).option).toBe('db')
    }
  })
})
