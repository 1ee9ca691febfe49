import fc from 'fast-check'
import type { Pool } from 'pg'
import { InvalidOptionError, isRowLockError } from 'rowlock'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { createClient, type TestClient } from '../../support/client.js'
import { expectClean, useDatabase } from '../../support/database.js'
import { useRejectionCheck } from '../../support/rejections.js'

const database = useDatabase()
useRejectionCheck()

const RUNS = { numRuns: 1_000, seed: 20_261_121 }

let prisma: TestClient
let pool: Pool
let id: number

beforeAll(async () => {
  ;({ prisma, pool } = createClient(database))
  id = (await prisma.company.create({ data: { name: 'company' } })).id
})

afterEach(async () => {
  await expectClean(database.sql, { pools: [pool] })
  expect(await prisma.company.findMany({ select: { id: true, count: true } })).toEqual([{ id, count: 0 }])
})

/** Statements of the pool so far: what was not sent does not count. */
const sent = () => statements
let statements = 0
beforeAll(() => {
  pool.on('acquire', () => statements++)
})

const junk = fc.oneof(
  fc.anything({ withBigInt: true, withDate: true, withMap: true, withTypedArray: true, withNullPrototype: true, withSparseArray: true }),
  fc.constantFrom(NaN, Infinity, -Infinity, -0, 0.5, -1, 2 ** 31, 2 ** 53, '', '1', true, null, [], {}, Symbol('s'), () => 1),
)
const milliseconds = fc
  .oneof(fc.constantFrom(0, -1, 0.5, NaN, Infinity, 2 ** 31, '5', null, true, 5n, [5], {}), junk)
  .filter((value) => value !== undefined && !(Number.isInteger(value) && (value as number) >= 1 && (value as number) < 2 ** 31))
const count = (min: number) => milliseconds.filter((value) => !(Number.isInteger(value) && (value as number) >= min))
const notAFunction = junk.filter((value) => value !== undefined && typeof value !== 'function')
const defined = junk.filter((value) => value !== undefined)
const notAnObject = junk.filter((value) => value !== undefined && (typeof value !== 'object' || value === null || Array.isArray(value)))
const unknownKey = (known: string[]) =>
  fc
    .tuple(
      fc.string().filter((key) => !known.includes(key) && key !== '__proto__'),
      junk,
    )
    .map(([key, value]) => ({ [key]: value }))

const LEVELS = ['ReadUncommitted', 'ReadCommitted', 'RepeatableRead', 'Serializable']
const badRetry = fc.oneof(
  notAnObject.filter((value) => value !== false),
  fc.record({ attempts: count(1) }),
  fc.record({ deadline: count(0) }),
  fc.record({ baseDelay: count(0) }),
  fc.record({ maxDelay: count(0) }),
  fc.record({
    on: fc.oneof(
      fc.constantFrom('DEADLOCK', ['AMBIGUOUS_COMMIT'], ['deadlock'], [null]),
      notAnObject.filter((value) => !Array.isArray(value)),
    ),
  }),
  unknownKey(['attempts', 'deadline', 'baseDelay', 'maxDelay', 'on']),
)
const badPart = fc.oneof(
  fc.constantFrom(NaN, Infinity, 0.5, 2 ** 53, 2n ** 63n, -(2n ** 63n) - 1n, null, undefined, true, {}, [], Symbol('s')),
  junk.filter((value) => typeof value !== 'string' && typeof value !== 'bigint' && !Number.isSafeInteger(value) && !Array.isArray(value)),
)
const badKey = fc.oneof(badPart, fc.array(badPart, { minLength: 1 }), fc.constant([]), fc.tuple(fc.string(), badPart))
// An object may be one of options.
const isNoObject = (value: unknown) => value !== undefined && (typeof value !== 'object' || value === null || Array.isArray(value))
const badGate = fc.oneof(
  badKey.filter((value) => isNoObject(value) && value !== true),
  fc.record({ key: badKey.filter((value) => value !== undefined) }),
  fc.record({ key: fc.string(), width: count(1) }),
  fc.record({ key: fc.string(), width: fc.integer({ min: 1_001 }) }),
  unknownKey(['key', 'width']),
)
const KEYS = ['isolationLevel', 'maxWait', 'timeout', 'lockTimeout', 'gate', 'signal', 'retry', 'onRetry']
const badOptions = fc.oneof(
  notAnObject,
  fc.record({ timeout: milliseconds }),
  fc.record({ maxWait: milliseconds }),
  fc.record({ lockTimeout: milliseconds }),
  fc.record({ isolationLevel: defined.filter((value) => !LEVELS.includes(value as string)) }),
  fc.record({ signal: defined }),
  fc.record({ onRetry: notAFunction }),
  fc.record({ retry: badRetry }),
  fc.record({ gate: badGate }),
  unknownKey([...KEYS, 'lock']),
)

/** Expects `call` to be refused with a typed error, without its callback being run. */
async function isRefused(call: (run: () => Promise<void>) => PromiseLike<unknown>): Promise<void> {
  let ran = false
  let error: unknown
  try {
    await call(async () => {
      ran = true
      await prisma.company.updateMany({ data: { count: 99 } })
    })
  } catch (reason) {
    error = reason
  }
  expect(ran, 'the callback ran').toBe(false)
  expect(isRowLockError(error), String(error)).toBe(true)
  expect((error as Error).message.length).toBeLessThan(500)
}

test('$transactionWithRetry refuses 1,000 bad options, and sends nothing', async () => {
  const before = sent()
  await fc.assert(
    fc.asyncProperty(badOptions, (options) => isRefused((run) => prisma.$transactionWithRetry(run, options as never))),
    RUNS,
  )
  expect(sent()).toBe(before)
})

test('$transactionWithRetry refuses a gate without a key, and true, which is for withLock', async () => {
  for (const gate of [true, {}, { width: 2 }, { key: undefined }]) {
    await isRefused((run) => prisma.$transactionWithRetry(run, { gate } as never))
  }
})

test('$transactionWithRetry refuses what is no function', async () => {
  const before = sent()
  await fc.assert(
    fc.asyncProperty(
      junk.filter((value) => typeof value !== 'function'),
      (fn) => isRefused(() => prisma.$transactionWithRetry(fn as never)),
    ),
    RUNS,
  )
  expect(sent()).toBe(before)
})

test('withLock refuses 1,000 bad options, and sends nothing', async () => {
  const badLock = fc.record({ lock: defined.filter((value) => typeof value !== 'object') })
  const before = sent()
  await fc.assert(
    fc.asyncProperty(fc.oneof(badOptions, badLock), (options) =>
      isRefused((run) => prisma.company.withLock({ where: { id } }, run, options as never)),
    ),
    RUNS,
  )
  expect(sent() - before).toBeLessThanOrEqual(RUNS.numRuns)
})

test('withLock refuses 1,000 rows that are not named', async () => {
  const badArgs = fc.oneof(
    notAnObject,
    fc.record({ where: fc.oneof(notAnObject, fc.constantFrom({}, { id: undefined }, { name: undefined })) }),
    fc.constant({}),
  )
  const before = sent()
  await fc.assert(
    fc.asyncProperty(badArgs, (args) => isRefused((run) => prisma.company.withLock(args as never, run))),
    RUNS,
  )
  expect(sent()).toBe(before)
})

test('$advisoryLock refuses 1,000 bad keys and options, and its transaction commits nothing', async () => {
  const badChoice = fc.oneof(
    notAnObject,
    fc.record({ shared: defined.filter((value) => typeof value !== 'boolean') }),
    fc.record({ nowait: defined.filter((value) => typeof value !== 'boolean') }),
    fc.record({ timeout: milliseconds }),
    fc.record({ nowait: fc.constant(true), timeout: fc.integer({ min: 1, max: 9 }) }),
    unknownKey(['shared', 'nowait', 'timeout']),
  )
  await prisma.$transaction(
    async (tx) => {
      await fc.assert(
        fc.asyncProperty(
          fc.oneof(
            badKey.map((key) => [key] as const),
            badChoice.map((options) => ['key', options] as const),
          ),
          ([key, options]) => isRefused(() => tx.$advisoryLock(key as never, options as never)),
        ),
        RUNS,
      )
      // Nothing was sent that could have aborted the transaction.
      expect(await tx.$queryRaw`SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()`).toEqual([])
    },
    { timeout: 25_000 },
  )
})

test('an error that fn throws, whatever it is, rolls everything back and comes out unchanged', async () => {
  const before = await prisma.company.count()
  await fc.assert(
    fc.asyncProperty(junk, async (thrown) => {
      let caught: { reason: unknown } | undefined
      try {
        await prisma.$transactionWithRetry(async (tx) => {
          await tx.company.create({ data: { name: 'never' } })
          throw thrown
        })
      } catch (reason) {
        caught = { reason }
      }
      expect(caught).toBeDefined()
      expect(Object.is(caught!.reason, thrown)).toBe(true)
    }),
    { ...RUNS, numRuns: 300 },
  )
  expect(await prisma.company.count()).toBe(before)
})

test('good options are taken: the generators above do not refuse everything', async () => {
  const options = fc.record(
    {
      timeout: fc.integer({ min: 1_000, max: 2 ** 31 - 1 }),
      maxWait: fc.integer({ min: 1_000, max: 2 ** 31 - 1 }),
      lockTimeout: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      gate: fc.oneof(
        fc.string(),
        fc.integer(),
        fc.record({ key: fc.tuple(fc.string(), fc.integer()), width: fc.integer({ min: 1, max: 1_000 }) }),
      ),
      isolationLevel: fc.constantFrom(...LEVELS),
      signal: fc.constant(new AbortController().signal),
      onRetry: fc.constant(() => undefined),
      retry: fc.oneof(
        fc.constant(false),
        fc.record(
          {
            attempts: fc.integer({ min: 1 }),
            deadline: fc.nat(),
            baseDelay: fc.nat(),
            maxDelay: fc.nat(),
            on: fc.subarray(['DEADLOCK', 'SERIALIZATION_FAILURE', 'CONNECTION_LOST', 'LOCK_NOT_AVAILABLE', 'LOCK_TIMEOUT', 'POOL_TIMEOUT']),
          },
          { requiredKeys: [] },
        ),
      ),
    },
    { requiredKeys: [] },
  )
  await fc.assert(
    fc.asyncProperty(options, async (good) => {
      expect(await prisma.$transactionWithRetry(async (tx) => tx.company.count(), good as never)).toBe(1)
    }),
    { ...RUNS, numRuns: 200 },
  )
  await expect(prisma.$transactionWithRetry(async () => Promise.resolve(), { timeout: 0 })).rejects.toBeInstanceOf(InvalidOptionError)
})

test('what throws when it is looked at is handed on as it was thrown', async () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  const thrown = await prisma
    .$transactionWithRetry(async () => {
      throw proxy
    })
    .catch((error: unknown) => ({ error }))
  expect(Object.is(thrown.error, proxy)).toBe(true)
})
