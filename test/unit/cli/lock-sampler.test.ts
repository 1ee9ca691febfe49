import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { LockSampler } from '../../../src/cli/lock-sampler.js'
import type { LockTree } from '../../../src/monitor/lock-tree-types.js'
import { withResolvers } from '../../support/with-resolvers.js'
import { queue, tree } from '../report/lock-trees.js'

const SECOND = 1_000

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  for (const sampler of samplers.splice(0)) sampler.stop()
  // Neither a tick nor anybody's patience is left.
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const samplers: LockSampler[] = []

function sampling(read: () => Promise<LockTree>): LockSampler {
  const sampler = new LockSampler(read)
  samplers.push(sampler)
  return sampler
}

const nobody = () => Promise.resolve(tree([]))

test('the locks are read once a second, however many look at them', async () => {
  const read = vi.fn(nobody)
  const sampler = sampling(read)
  for (let second = 0; second < 10; second++) {
    await Promise.all(Array.from({ length: 50 }, () => sampler.view()))
    await vi.advanceTimersByTimeAsync(SECOND)
  }
  expect(read).toHaveBeenCalledTimes(11)
})

test('a reading that takes longer is not joined by a second one, and what is known is shown meanwhile with its age', async () => {
  const slow = withResolvers<LockTree>()
  const read = vi.fn(nobody)
  const sampler = sampling(read)
  await sampler.view()
  read.mockImplementation(() => slow.promise)
  await vi.advanceTimersByTimeAsync(5 * SECOND)
  expect(read).toHaveBeenCalledTimes(2)
  const views = [sampler.view(), sampler.view()]
  await vi.advanceTimersByTimeAsync(500)
  for (const { age, tree: shown } of await Promise.all(views)) {
    expect(shown!.roots).toEqual([])
    expect(age).toBe(5_500)
  }
  expect(read).toHaveBeenCalledTimes(2)
  slow.resolve(queue(3))
  await vi.advanceTimersByTimeAsync(0)
  const { tree: shown, age, history } = await sampler.view()
  expect(shown!.roots).toHaveLength(1)
  // From when it was asked for: a lock that came later is not in it.
  expect(age).toBe(4_500)
  expect(history).toEqual([
    { secondsAgo: 1, waiters: 0, longestWait: 0 },
    { secondsAgo: 0, waiters: 3, longestWait: 3_000 },
  ])
})

test('a minute is remembered, and no more', async () => {
  const sampler = sampling(nobody)
  for (let second = 0; second < 100; second++) {
    await sampler.view()
    await vi.advanceTimersByTimeAsync(SECOND)
  }
  const { history } = await sampler.view()
  expect(history.map(({ secondsAgo }) => secondsAgo)).toEqual(Array.from({ length: 60 }, (_, index) => 59 - index))
})

test('nobody reads while nobody has looked for a minute, and who looks then gets what is going on', async () => {
  const read = vi.fn(nobody)
  const sampler = sampling(read)
  await sampler.view()
  await vi.advanceTimersByTimeAsync(600 * SECOND)
  expect(read).toHaveBeenCalledTimes(60)
  read.mockResolvedValue(queue(2))
  const { tree: shown, age, history } = await sampler.view()
  expect(shown!.roots).toHaveLength(1)
  expect(age).toBe(0)
  // The time in which nobody read is a gap, and what is before it is more than a minute ago.
  expect(history).toEqual([{ secondsAgo: 0, waiters: 2, longestWait: 2_000 }])
  await vi.advanceTimersByTimeAsync(3 * SECOND)
  expect(read).toHaveBeenCalledTimes(64)
})

test('a reading that fails leaves what was known, a gap in the history, and its reason until the next one succeeds', async () => {
  const read = vi.fn(nobody)
  const sampler = sampling(read)
  await sampler.view()
  read.mockRejectedValueOnce(new Error('the server is starting up'))
  await vi.advanceTimersByTimeAsync(SECOND)
  expect(await sampler.view()).toMatchObject({
    failure: 'the server is starting up',
    age: 1_000,
    history: [{ secondsAgo: 1, waiters: 0 }, { secondsAgo: 0 }],
  })
  await vi.advanceTimersByTimeAsync(SECOND)
  const recovered = await sampler.view()
  expect(recovered).not.toHaveProperty('failure')
  expect(recovered.age).toBe(0)
})

test('a reader that throws at once, or throws what is no error, is a failed reading', async () => {
  const sampler = sampling(() => {
    throw 'no'
  })
  expect(await sampler.view()).toMatchObject({ failure: 'no', history: [{ secondsAgo: 0 }] })
})

test('the next reading is announced for when it should be there', async () => {
  const sampler = sampling(nobody)
  expect((await sampler.view()).nextIn).toBe(1_000)
  await vi.advanceTimersByTimeAsync(700)
  expect((await sampler.view()).nextIn).toBe(400)
})

test('whoever waits for a reading is let go when it is stopped', async () => {
  const sampler = new LockSampler(() => new Promise(() => undefined))
  const view = sampler.view()
  sampler.stop()
  expect(await view).toEqual({ history: [], nextIn: 100 })
})
