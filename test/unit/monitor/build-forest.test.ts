import type { LockSession } from 'rowlock'
import { expect, test } from 'vitest'
import { type Blocked, buildForest } from '../../../src/monitor/build-forest.js'

interface Given {
  readonly on?: readonly number[]
  readonly age?: number
  readonly waited?: number
}

function blocked(pid: number, { on = [], age, waited = 0 }: Given): Blocked {
  return {
    session: {
      pid,
      applicationName: '',
      user: '',
      state: 'active',
      query: '',
      ...(age !== undefined && { transactionAge: age }),
      ...(on.length > 0 && { wait: { target: { kind: 'transaction' }, duration: waited } }),
    },
    blockers: on,
  }
}

/** `1(2(3) 4)`: what hangs below what. */
const write = (sessions: readonly LockSession[]): string =>
  sessions.map(({ pid, waiters }) => (waiters.length > 0 ? `${pid}(${write(waiters)})` : String(pid))).join(' ')

const forest = (given: Readonly<Record<number, Given>>) =>
  write(buildForest(Object.entries(given).map(([pid, one]) => blocked(Number(pid), one))))

test.each<[string, Record<number, Given>, string]>([
  ['nobody', {}, ''],
  ['one who waits', { 1: {}, 2: { on: [1] } }, '1(2)'],
  ['a chain', { 3: { on: [2] }, 2: { on: [1] }, 1: {} }, '1(2(3))'],
  ['two who hold', { 1: { age: 5 }, 2: { on: [1] }, 3: { age: 9 }, 4: { on: [3] } }, '3(4) 1(2)'],
  ['a holder of unknown age', { 1: {}, 2: { on: [1] }, 3: { age: 0 }, 4: { on: [3] } }, '3(4) 1(2)'],
  ['the longest wait first', { 1: {}, 2: { on: [1], waited: 5 }, 3: { on: [1], waited: 9 }, 4: { on: [1], waited: 5 } }, '1(3 2 4)'],
  ['one who waits for two', { 1: { age: 2 }, 2: { age: 1 }, 3: { on: [1, 2] }, 4: { on: [3] } }, '1(3(4)) 2(3)'],
  ['a circle of two', { 1: { on: [2], age: 1 }, 2: { on: [1], age: 2 } }, '2(1(2))'],
  ['a circle of three', { 1: { on: [3], age: 1 }, 2: { on: [1], age: 9 }, 3: { on: [2], age: 3 } }, '2(3(1(2)))'],
  [
    'a circle that others wait for, older than itself',
    { 1: { on: [2], age: 1 }, 2: { on: [1], age: 2 }, 3: { on: [1], age: 9 }, 4: { on: [3], age: 99 } },
    '2(1(2 3(4)))',
  ],
  [
    'two circles, one of which waits for the other',
    { 1: { on: [2], age: 8 }, 2: { on: [1, 3], age: 9 }, 3: { on: [4], age: 1 }, 4: { on: [3], age: 2 } },
    '4(3(2(1(2)) 4))',
  ],
  ['a circle and a tree', { 1: { on: [2] }, 2: { on: [1] }, 3: {}, 4: { on: [3] } }, '3(4) 1(2(1))'],
  ['one who waits for itself', { 1: { on: [1] } }, '1(1)'],
  ['who waits for somebody gone', { 1: { on: [9] } }, ''],
  ['who waits for somebody gone and is waited for', { 1: { on: [9] }, 2: { on: [1] } }, '1(2)'],
])('of %s', (_, given, expected) => {
  expect(forest(given)).toBe(expected)
})

test('a queue in which each waits for all before it is no longer than its waits', () => {
  const queue = Object.fromEntries(
    Array.from({ length: 200 }, (_, pid) => [pid, { on: Array.from({ length: pid }, (_, before) => before) }]),
  )
  const sessions = buildForest(Object.entries(queue).map(([pid, one]) => blocked(Number(pid), one)))
  const count = (all: readonly LockSession[]): number => all.reduce((sum, { waiters }) => sum + 1 + count(waiters), 0)
  expect(count(sessions)).toBe(1 + (200 * 199) / 2)
})
