import { expect, test } from 'vitest'
import { growthOf } from '../../../torture/heap.js'

/** A heap that is large while it warms up, and then swings by a tenth and grows by `growth` from the first third to the last. */
const heap = (growth: number) => Array.from({ length: 120 }, (_, n) => (n < 20 ? 150 : 100) * (1 + (n % 2) / 10) * (1 + (growth * n) / 60))

test('a heap that swings does not grow', () => {
  expect(Math.abs(growthOf(heap(0)))).toBeLessThan(0.01)
})

test('a heap that leaks is found to grow', () => {
  expect(growthOf(heap(0.1))).toBeGreaterThan(0.05)
})

test('too few samples say nothing', () => {
  expect(() => growthOf([1, 2, 3])).toThrow('too few')
})
