import { expect, test } from 'vitest'
import { countBelow, type PlacedSession, toForest } from '../../../src/report/lock-forest.js'
import { busy, circle, queue, session, tree, waitFor } from './lock-trees.js'

/** `4711(4720(4722 4725))` */
const outline = (sessions: readonly PlacedSession[]): string =>
  sessions.map(({ pid, waiters }) => (waiters.length > 0 ? `${pid}(${outline(waiters)})` : String(pid))).join(' ')

test('a tree in which nobody waits for two is placed as it is, and counted', () => {
  const forest = toForest(busy)
  expect(outline(forest.roots)).toBe('4711(4720(4722 4725)) 4802(4810)')
  expect(forest).toMatchObject({ waiters: 4, longestWait: 41_000, leftOut: 0 })
  expect(forest.roots.map(countBelow)).toEqual([3, 1])
})

test('a session that waits for several stands once, nearest to a root, and names all it waits for', () => {
  const { roots, waiters } = toForest(queue(4))
  expect(outline(roots)).toBe('100(101(102 103 104))')
  expect(waiters).toBe(4)
  expect(roots[0]!.waiters[0]!.waiters.map(({ waitsFor }) => waitsFor)).toEqual([[101], [101, 102], [101, 102, 103]])
})

test('a queue of 500, which has 2^499 ways from the first to the last, takes no time', () => {
  const started = performance.now()
  expect(toForest(queue(500)).waiters).toBe(500)
  expect(performance.now() - started).toBeLessThan(2_000)
})

test('a copy of a session that was cut short where it stands a second time loses nobody', () => {
  const last = session(3, { wait: waitFor(1) })
  const short = session(2, { wait: waitFor(2) })
  const { roots, waiters } = toForest(tree([session(1, { waiters: [short] }), session(4, { waiters: [{ ...short, waiters: [last] }] })]))
  expect(outline(roots)).toBe('1(2(3)) 4')
  expect(waiters).toBe(2)
  expect(roots[0]!.waiters[0]!.waitsFor).toEqual([1, 4])
})

test('sessions that wait for each other in a circle are placed once, also when the objects themselves form the circle', () => {
  expect(outline(toForest(circle()).roots)).toBe('1(2)')
  const waiters = [session(2, { wait: waitFor(1) })]
  const first = session(1, { wait: waitFor(2), waiters })
  Object.assign(waiters[0]!, { waiters: [first] })
  const { roots } = toForest(tree([first]))
  expect(outline(roots)).toBe('1(2)')
  expect(roots[0]!.waitsFor).toEqual([2])
})

test('of more sessions than are to be placed those nearest to a root stay, and the rest is counted', () => {
  const forest = toForest(busy, 4)
  expect(outline(forest.roots)).toBe('4711(4720) 4802(4810)')
  expect(forest).toMatchObject({ waiters: 4, longestWait: 41_000, leftOut: 2 })
})

test('nobody is an empty forest', () => {
  expect(toForest(tree([]))).toEqual({ roots: [], waiters: 0, longestWait: 0, leftOut: 0 })
})
