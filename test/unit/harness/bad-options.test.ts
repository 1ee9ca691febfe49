import fc from 'fast-check'
import { expect, test } from 'vitest'
import { InvalidOptionError } from '../../../src/core/errors.js'
import { checkLedger } from '../../../src/harness/check-ledger.js'
import { expectExactly } from '../../../src/harness/expect-exactly.js'
import { raceProcesses } from '../../../src/harness/race-processes.js'
import { race } from '../../../src/harness/race.js'

const RUNS = 1_000

const notObject = fc.oneof(fc.constantFrom(null, true, 7, 'text', 7n), fc.array(fc.nat(), { maxLength: 2 }))
const notCount = (min: number, max: number): fc.Arbitrary<unknown> =>
  fc.oneof(
    fc.integer({ max: min - 1 }),
    fc.double({ min: max + 1, noNaN: true }),
    fc.double().filter((value) => !Number.isInteger(value)),
    fc.string(),
    fc.bigInt(),
    fc.boolean(),
    fc.array(fc.nat(), { maxLength: 2 }),
    fc.constantFrom(null, {}, Symbol('count'), () => 1, NaN, Infinity, -0.5),
  )
const notFunction = fc.oneof(notObject, fc.object(), fc.string())
const notSignal = fc.oneof(
  notObject,
  fc.string(),
  fc.constantFrom({}, { aborted: true }, () => 1),
)
const unknownName = fc.constantFrom('concurency', 'request', 'timeout', 'clients', 'onprogress', '__proto')
const defined = (arbitrary: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> => arbitrary.filter((value) => value !== undefined)

/** One bad value for one option, and which option it is. */
function oneBad(bad: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<[option: string, value: unknown]> {
  const known = Object.entries(bad).map(([option, value]) => fc.tuple(fc.constant(option), defined(value)))
  return fc.oneof(...known, fc.tuple(unknownName, fc.integer()))
}

async function expectRefusal(option: string, given: unknown, call: () => Promise<unknown>): Promise<void> {
  const failure: unknown = await call().catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(InvalidOptionError)
  expect(failure).toMatchObject({ code: 'INVALID_OPTION', option })
  if (typeof given !== 'symbol' && option !== 'module') expect((failure as InvalidOptionError).given).toBe(given)
}

const limits = { signal: notSignal, deadline: notCount(1, 2 ** 31 - 1), onProgress: notFunction }

test('race refuses every bad option by name and runs nothing', async () => {
  let runs = 0
  const good = { requests: 4, run: () => runs++, client: () => runs++ }
  const bad = { requests: notCount(1, 1e6), concurrency: notCount(1, 4), run: notFunction, ...limits }
  await fc.assert(
    fc.asyncProperty(oneBad(bad), async ([option, value]) => {
      const options = { ...good, [option]: value }
      await expectRefusal(option, value, () => race(options))
    }),
    { numRuns: RUNS },
  )
  expect(runs).toBe(0)
})

test('raceProcesses refuses every bad option by name and starts no process', async () => {
  const good = { processes: 2, requests: 4, module: './absent.js', exportName: 'actor' }
  const bad = {
    processes: notCount(1, 64),
    requests: notCount(2, 1e6),
    concurrency: notCount(2, 4),
    module: fc.oneof(
      notObject.filter((value) => typeof value !== 'string'),
      fc.constantFrom('', {}, new URL('http://a/b')),
    ),
    exportName: fc.oneof(
      notObject.filter((value) => typeof value !== 'string'),
      fc.constant(''),
    ),
    input: fc.constantFrom(() => 1, Symbol('input'), { nested: [() => 1] }),
    ...limits,
  }
  await fc.assert(
    fc.asyncProperty(oneBad(bad), async ([option, value]) => {
      await expectRefusal(option, value, () => raceProcesses({ ...good, [option]: value }))
    }),
    { numRuns: RUNS },
  )
})

test('checkLedger refuses every bad option by name and reads nothing', async () => {
  let reads = 0
  const prisma = { $queryRaw: () => Promise.resolve(reads++) }
  const bad = {
    successes: notCount(0, Number.MAX_SAFE_INTEGER),
    kind: fc.oneof(notObject, fc.string(), fc.constant('credit')),
    walletId: notCount(1, 2 ** 31 - 1),
  }
  await fc.assert(
    fc.asyncProperty(oneBad(bad), async ([option, value]) => {
      await expectRefusal(option, value, () => checkLedger(prisma, { [option]: value }))
    }),
    { numRuns: RUNS },
  )
  expect(reads).toBe(0)
})

test('expectExactly refuses what is not the result of a race or not a count', async () => {
  const result = await race({ requests: 1, run: () => 1 })
  await fc.assert(
    fc.asyncProperty(notCount(0, Number.MAX_SAFE_INTEGER), notObject, async (count, noResult) => {
      await expectRefusal('expected', count, async () => expectExactly(result, count as number))
      await expectRefusal('result', noResult, async () => expectExactly(noResult as never, 1))
    }),
    { numRuns: RUNS },
  )
})

const calls: [name: string, call: (options: never) => Promise<unknown>][] = [
  ['race', race],
  ['raceProcesses', raceProcesses],
  ['checkLedger', (options) => checkLedger({ $queryRaw: async () => [] }, options)],
]

test.each(calls)('%s refuses options that are no object', async (_, call) => {
  await fc.assert(fc.asyncProperty(notObject, (options) => expectRefusal('options', options, () => call(options as never))))
})
