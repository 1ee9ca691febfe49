import { AsyncLocalStorage } from 'node:async_hooks'
import fc from 'fast-check'
import {
  AlreadyCommittedError,
  AmbiguousCommitError,
  coalesce,
  type CoalesceOptions,
  InvalidOptionError,
  LockTimeoutError,
  type RowLockError,
} from 'rowlock'
import { describe, expect, test, vi } from 'vitest'
import { expectRejection, rejectionOf, useRejectionCheck } from '../../support/rejections.js'

useRejectionCheck()

type Apply = CoalesceOptions<number, number>['apply']

const turn = () => new Promise(setImmediate)
const doubled = (request: number): PromiseSettledResult<number> => ({ status: 'fulfilled', value: 2 * request })
const doubleAll = (requests: readonly number[]) => Promise.resolve(requests.map(doubled))

/** A coalesced function of one key unless told otherwise, and the batches that its `apply` was given. */
function recorded(apply: Apply = doubleAll, options: Partial<CoalesceOptions<number, number>> = {}) {
  const batches: (readonly number[])[] = []
  const call = coalesce<number, number>({
    key: () => 'key',
    apply: (requests, key) => {
      batches.push(requests)
      return apply(requests, key)
    },
    ...options,
  })
  return { call, batches }
}

/** An `apply` that holds its first batch until told to go on. */
function heldFirst(apply: Apply = doubleAll) {
  let release!: () => void
  const released = new Promise<void>((resolve) => (release = resolve))
  let calls = 0
  const held: Apply = async (requests, key) => {
    if (calls++ === 0) await released
    return apply(requests, key)
  }
  return { held, release }
}

describe('requests of one key', () => {
  test('of one turn of the event loop are applied together and answered each with its own result', async () => {
    const { call, batches } = recorded()
    expect(await Promise.all([1, 2, 3].map(call))).toEqual([2, 4, 6])
    expect(batches).toEqual([[1, 2, 3]])
  })

  test('queue while a batch is under way, and go together in the order in which they came, `max` at a time', async () => {
    const { held, release } = heldFirst()
    const { call, batches } = recorded(held, { max: 3 })
    const first = call(0)
    await turn()
    const others = [1, 2, 3, 4, 5].map(call)
    await turn()
    expect(batches).toEqual([[0]])
    release()
    expect(await Promise.all([first, ...others])).toEqual([0, 2, 4, 6, 8, 10])
    expect(batches).toEqual([[0], [1, 2, 3], [4, 5]])
  })

  test('of callers who come back as soon as they are answered stay together', async () => {
    const { call, batches } = recorded()
    // The second caller takes some steps more to come back.
    const loops = [0, 3].map(async (steps) => {
      for (let time = 0; time < 5; time++) {
        await call(steps)
        for (let step = 0; step < steps; step++) await Promise.resolve()
      }
    })
    await Promise.all(loops)
    expect(batches).toEqual(Array(5).fill([0, 3]))
  })

  test('do not wait when nothing is under way: a request is applied within its turn of the event loop', async () => {
    const { call, batches } = recorded()
    const answer = call(1)
    await turn()
    expect(batches).toEqual([[1]])
    await answer
  })
})

test('requests of different keys do not wait for each other', async () => {
  const { held, release } = heldFirst()
  const { call, batches } = recorded(held, { key: (request) => request % 2 })
  const odd = call(1)
  await turn()
  expect(await call(2)).toBe(4)
  expect(batches).toEqual([[1], [2]])
  release()
  await odd
})

test('keys of different types are different keys', async () => {
  const { call, batches } = recorded(doubleAll, { key: (request) => [1, '1', 1n][request]! })
  await Promise.all([0, 1, 2].map(call))
  expect(batches).toEqual([[0], [1], [2]])
})

test('batches run in the async context in which coalesce was called, and not in a caller’s', async () => {
  const storage = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const { call } = storage.run('maker', () =>
    recorded((requests) => {
      seen.push(storage.getStore())
      return doubleAll(requests)
    }),
  )
  await storage.run('caller', () => call(1))
  await call(2)
  expect(seen).toEqual(['maker', 'maker'])
})

describe('errors', () => {
  const refuse = (request: number): PromiseSettledResult<number> => ({ status: 'rejected', reason: new RangeError(`${request}`) })

  test('that apply gives for some requests are those callers’ alone', async () => {
    const { call, batches } = recorded((requests) => Promise.resolve(requests.map((one) => (one % 2 ? refuse(one) : doubled(one)))))
    const [one, two, three] = await Promise.allSettled([1, 2, 3].map(call))
    expect([one, two, three]).toEqual([refuse(1), doubled(2), refuse(3)])
    expect(batches).toHaveLength(1)
  })

  test.each([
    ['rejects', () => Promise.reject(new RangeError('all'))],
    [
      'throws at once',
      () => {
        throw new RangeError('all')
      },
    ],
  ] as [string, () => Promise<never>][])('of all, when apply %s: each request is applied alone, in order', async (_, fail) => {
    const { call, batches } = recorded((requests) => (requests.length > 1 || requests[0] === 2 ? fail() : doubleAll(requests)))
    expect(await Promise.allSettled([1, 2, 3].map(call))).toEqual([
      doubled(1),
      { status: 'rejected', reason: new RangeError('all') },
      doubled(3),
    ])
    expect(batches).toEqual([[1, 2, 3], [1], [2], [3]])
    expect(await call(4)).toBe(8)
  })

  test.each<new (...args: ConstructorParameters<typeof LockTimeoutError>) => RowLockError>([
    AmbiguousCommitError,
    AlreadyCommittedError,
    LockTimeoutError,
  ])('%o: every caller gets one of its own, and nothing is applied again', async (Class) => {
    const cause = new Error('driver')
    const thrown = new Class('what happened', { cause, model: 'Wallet', sqlState: '55P03' })
    const { call, batches } = recorded(() => Promise.reject(thrown))
    const answers = [1, 2, 3].map(call)
    const errors = await Promise.all(answers.map((answer) => expectRejection(answer, Class, { cause, model: 'Wallet', sqlState: '55P03' })))
    expect(new Set([...errors, thrown]).size).toBe(4)
    expect(batches).toHaveLength(1)
  })

  test.each([
    ['too few outcomes', [doubled(1)]],
    ['too many outcomes', [doubled(1), doubled(2), doubled(3)]],
    ['nothing', undefined],
    ['something else', 'ok'],
    ['outcomes with holes', [doubled(1), , doubled(2)].slice(0, 2)], // eslint-disable-line no-sparse-arrays
    ['values instead of outcomes', [2, 4]],
  ])('when apply returns %s every caller is told that it may have been committed', async (_, returned) => {
    const { call, batches } = recorded(() => Promise.resolve(returned as never))
    const errors = await Promise.all([1, 2].map((request) => expectRejection(call(request), AmbiguousCommitError)))
    expect(errors[0]).not.toBe(errors[1])
    expect(batches).toHaveLength(1)
  })

  test('of the key function are their caller’s alone', async () => {
    const { call, batches } = recorded(doubleAll, {
      key: (request): string => {
        if (request === 1) throw new RangeError('no key')
        return 'key'
      },
    })
    const [failed, done] = [call(1), call(2)]
    expect(await rejectionOf(failed)).toEqual(new RangeError('no key'))
    expect(await done).toBe(4)
    expect(batches).toEqual([[2]])
  })

  test.each<unknown>([
    undefined,
    {},
    { key: () => 1 },
    { apply: doubleAll },
    { key: 1, apply: doubleAll },
    { key: () => 1, apply: doubleAll, max: 0 },
    { key: () => 1, apply: doubleAll, max: 10_001 },
    { key: () => 1, apply: doubleAll, size: 5 },
  ])('for the options %j are thrown at once', (options) => {
    expect(() => coalesce(options as never)).toThrow(InvalidOptionError)
  })
})

test('an idle key takes no memory: the key itself is not kept', async () => {
  const set = vi.spyOn(Map.prototype, 'set')
  const { call } = recorded(doubleAll, { key: () => 'idle key' })
  const answer = call(1)
  const queues = set.mock.contexts[set.mock.calls.findIndex(([key]) => key === 'idle key')] as Map<unknown, unknown> | undefined
  set.mockRestore()
  expect(queues?.size).toBe(1)
  await answer
  await turn()
  expect(queues?.size).toBe(0)
})

test('whatever comes when, results and order are those of a counter that is changed one by one', async () => {
  const arrivals = fc.array(fc.record({ key: fc.nat(2), amount: fc.integer({ min: -5, max: 5 }), turns: fc.nat(2) }), { maxLength: 40 })
  const property = fc.asyncProperty(arrivals, fc.integer({ min: 1, max: 7 }), fc.boolean(), async (given, max, breaks) => {
    const counters = [0, 0, 0]
    const model = [0, 0, 0]
    const move = (counts: number[], { key, amount }: { key: number; amount: number }) => {
      if (counts[key]! + amount < 0) throw new RangeError(`${counts[key]}`)
      return (counts[key]! += amount)
    }
    const call = coalesce<{ key: number; amount: number }, number>({
      key: ({ key }) => key,
      max,
      apply: async (requests) => {
        await turn()
        // A batch that fails as a whole has changed nothing.
        if (breaks && requests.length > 1 && requests[0]!.amount === 5) throw new Error('broken')
        return Promise.allSettled(requests.map(async (request) => move(counters, request)))
      },
    })
    const answers: Promise<unknown>[] = []
    for (const { turns, ...request } of given) {
      for (let time = 0; time < turns; time++) await turn()
      answers.push(Promise.allSettled([call(request)]).then(([outcome]) => outcome))
    }
    const expected = await Promise.allSettled(given.map(async (request) => move(model, request)))
    expect(await Promise.all(answers)).toEqual(expected)
    expect(counters).toEqual(model)
  })
  await fc.assert(property, { numRuns: 200, seed: 20_261_121 })
})

test('an outcome that cannot be read is a batch whose end is unknown, and no call of it is applied again', async () => {
  const unreadable = Object.defineProperty({ status: 'fulfilled' }, 'value', {
    get() {
      throw new Error('a getter')
    },
  }) as PromiseSettledResult<number>
  const { call, batches } = recorded(async () => [doubled(1), unreadable])
  const outcomes = await Promise.all([1, 2].map((request) => rejectionOf(call(request))))
  for (const outcome of outcomes) expect(outcome).toBeInstanceOf(AmbiguousCommitError)
  expect(batches).toEqual([[1, 2]])
})
