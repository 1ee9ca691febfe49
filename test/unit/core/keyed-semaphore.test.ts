import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { KeyedSemaphore, type Release } from '../../../src/core/keyed-semaphore.js'
import { rejectionOf } from '../../support/rejections.js'

const EVERYONE = 3

/** Asks for permits and notes, in `order`, when they are granted. */
function createQueue(semaphore = new KeyedSemaphore(EVERYONE)) {
  const order: string[] = []
  const releases = new Map<string, Release>()
  const ask = (name: string, permits: number, { key = 'key', signal }: { key?: unknown; signal?: AbortSignal } = {}) =>
    semaphore.acquire(key, permits, signal).then((release) => {
      order.push(name)
      releases.set(name, release)
    })
  return { semaphore, order, ask, release: (name: string) => releases.get(name)!() }
}

/** What has been granted is known when the promises of this turn are settled. */
const settled = () => new Promise(setImmediate)

describe('callers of one key', () => {
  test('are served in the order in which they came', async () => {
    const { order, ask, release, semaphore } = createQueue(new KeyedSemaphore(1))
    const names = Array.from({ length: 100 }, (_, index) => `caller ${index}`)
    const asked = names.map((name) => ask(name, 1))
    for (const [index, name] of names.entries()) {
      await asked[index]
      expect(order).toEqual(names.slice(0, index + 1))
      release(name)
    }
    expect(semaphore.size).toBe(0)
  })

  test('share what they do not take alone', async () => {
    const { order, ask } = createQueue()
    void ask('reader 1', 1)
    void ask('reader 2', 1)
    void ask('writer', EVERYONE)
    await settled()
    expect(order).toEqual(['reader 1', 'reader 2'])
  })

  test('do not pass a writer that waits, so that readers cannot starve it', async () => {
    const { order, ask, release } = createQueue()
    void ask('reader 1', 1)
    void ask('writer', EVERYONE)
    void ask('reader 2', 1)
    void ask('reader 3', 1)
    await settled()
    expect(order).toEqual(['reader 1'])
    release('reader 1')
    await settled()
    expect(order).toEqual(['reader 1', 'writer'])
    release('writer')
    await settled()
    expect(order).toEqual(['reader 1', 'writer', 'reader 2', 'reader 3'])
  })

  test('do not pass it either when something, but not enough, is given back', async () => {
    const { order, ask, release } = createQueue()
    for (const name of ['reader 1', 'reader 2']) void ask(name, 1)
    void ask('writer', EVERYONE)
    void ask('reader 3', 1)
    await settled()
    release('reader 1')
    await settled()
    expect(order).toEqual(['reader 1', 'reader 2'])
  })

  test('are refused by tryAcquire behind one that waits, and else served by it', async () => {
    const { semaphore, ask, release } = createQueue()
    await ask('reader', 1)
    const second = semaphore.tryAcquire('key', 1)
    expect(second).toBeDefined()
    second!()
    void ask('writer', EVERYONE)
    expect(semaphore.tryAcquire('key', 1)).toBeUndefined()
    release('reader')
    await settled()
    release('writer')
    expect(semaphore.size).toBe(0)
  })
})

test('callers of different keys do not wait for each other, and equal keys are the same as in a Map', async () => {
  const { order, ask, semaphore } = createQueue(new KeyedSemaphore(1))
  const keys = ['1', 1, NaN, null, Symbol('key'), {}, {}]
  for (const [index, key] of keys.entries()) await ask(`caller ${index}`, 1, { key })
  expect(order).toHaveLength(keys.length)
  expect(semaphore.size).toBe(keys.length)
  expect(semaphore.tryAcquire(NaN, 1)).toBeUndefined()
})

describe('an abort', () => {
  test('of the first in the queue lets those through that could not pass it', async () => {
    const { order, ask, release, semaphore } = createQueue()
    const controller = new AbortController()
    void ask('reader 1', 1)
    const writer = rejectionOf(ask('writer', EVERYONE, { signal: controller.signal }))
    void ask('reader 2', 1)
    controller.abort('enough')
    expect(await writer).toBe('enough')
    await settled()
    expect(order).toEqual(['reader 1', 'reader 2'])
    release('reader 1')
    release('reader 2')
    expect(semaphore.size).toBe(0)
  })

  test('of one in the middle leaves the order of the others', async () => {
    const { order, ask, release, semaphore } = createQueue(new KeyedSemaphore(1))
    const controller = new AbortController()
    void ask('first', 1)
    void ask('second', 1)
    const third = rejectionOf(ask('third', 1, { signal: controller.signal }))
    void ask('fourth', 1)
    controller.abort('enough')
    expect(await third).toBe('enough')
    for (const name of ['first', 'second', 'fourth']) {
      release(name)
      await settled()
    }
    expect(order).toEqual(['first', 'second', 'fourth'])
    expect(semaphore.size).toBe(0)
  })

  test('before the call takes nothing, also of a key that is free', async () => {
    const { ask, semaphore } = createQueue()
    expect(await rejectionOf(ask('late', 1, { signal: AbortSignal.abort('too late') }))).toBe('too late')
    expect(semaphore.size).toBe(0)
  })

  test('after the grant takes nothing back', async () => {
    const { ask, release, semaphore } = createQueue(new KeyedSemaphore(1))
    const controller = new AbortController()
    void ask('first', 1)
    const second = ask('second', 1, { signal: controller.signal })
    await settled()
    release('first')
    controller.abort('too late')
    await second
    expect(semaphore.tryAcquire('key', 1)).toBeUndefined()
    release('second')
    expect(semaphore.size).toBe(0)
  })
})

test('a signal that lives on keeps no listener of a caller that was served', async () => {
  const { ask, release } = createQueue(new KeyedSemaphore(1))
  const { signal } = new AbortController()
  void ask('first', 1)
  const second = ask('second', 1, { signal })
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  await settled()
  release('first')
  await second
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})

test('to release twice gives back once', async () => {
  const { order, ask, release, semaphore } = createQueue(new KeyedSemaphore(1))
  for (const name of ['first', 'second', 'third']) void ask(name, 1)
  await settled()
  release('first')
  release('first')
  await settled()
  expect(order).toEqual(['first', 'second'])
  release('second')
  release('first')
  await settled()
  release('third')
  release('third')
  expect(semaphore.size).toBe(0)
  // The key was forgotten: what the old releases knew of must not count for the new one.
  await ask('fourth', 1)
  release('third')
  expect(semaphore.tryAcquire('key', 1)).toBeUndefined()
})

describe('any sequence of calls', () => {
  const key = fc.constantFrom('a', 'b')
  const permits = fc.integer({ min: 1, max: EVERYONE })
  const which = fc.nat()
  const step = fc.oneof(
    fc.record({ do: fc.constant('ask' as const), key, permits }),
    fc.record({ do: fc.constant('try' as const), key, permits }),
    fc.record({ do: fc.constant('release' as const), which }),
    fc.record({ do: fc.constant('abort' as const), which }),
  )

  interface Caller {
    readonly key: string
    readonly permits: number
    readonly controller: AbortController
    state: 'waiting' | 'holding' | 'gone'
    release?: Release
  }

  const holders = (callers: readonly Caller[], of: string) => callers.filter((one) => one.key === of && one.state === 'holding')
  const taken = (callers: readonly Caller[], of: string) => holders(callers, of).reduce((sum, one) => sum + one.permits, 0)

  /** The model: a list in order of arrival, of which as many as fit are served from the front. */
  function serve(model: Caller[]): void {
    for (const of of ['a', 'b']) {
      for (const one of model.filter((caller) => caller.key === of && caller.state === 'waiting')) {
        if (taken(model, of) + one.permits > EVERYONE) break
        one.state = 'holding'
      }
    }
  }

  test('does what a plain list of callers would', async () => {
    const property = fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
      const semaphore = new KeyedSemaphore(EVERYONE)
      const real: Caller[] = []
      const model: Caller[] = []
      const add = (of: string, count: number, state: Caller['state']) => {
        const one: Caller = { key: of, permits: count, controller: new AbortController(), state }
        real.push(one)
        model.push({ ...one })
        return one
      }
      /** The caller that the number means among those in this state, in both lists. */
      const pick = (state: Caller['state'], number: number) => {
        const candidates = model.flatMap((one, index) => (one.state === state ? [index] : []))
        return candidates.length === 0 ? undefined : candidates[number % candidates.length]
      }
      for (const call of steps) {
        if (call.do === 'ask') {
          const one = add(call.key, call.permits, 'waiting')
          semaphore.acquire(call.key, call.permits, one.controller.signal).then(
            (release) => Object.assign(one, { state: 'holding', release }),
            () => (one.state = 'gone'),
          )
        } else if (call.do === 'try') {
          const release = semaphore.tryAcquire(call.key, call.permits)
          const queue = model.some((one) => one.key === call.key && one.state === 'waiting')
          expect(release !== undefined).toBe(!queue && taken(model, call.key) + call.permits <= EVERYONE)
          if (release) add(call.key, call.permits, 'holding').release = release
        } else {
          const index = pick(call.do === 'release' ? 'holding' : 'waiting', call.which)
          if (index === undefined) continue
          model[index]!.state = 'gone'
          if (call.do === 'abort') real[index]!.controller.abort()
          else {
            real[index]!.release!()
            real[index]!.state = 'gone'
          }
        }
        serve(model)
        await settled()
        expect(real.map(({ state }) => state)).toEqual(model.map(({ state }) => state))
        expect(semaphore.size).toBe(new Set(model.filter(({ state }) => state !== 'gone').map((one) => one.key)).size)
      }
    })
    await fc.assert(property, { numRuns: 500, seed: 20_261_121 })
  })
})
