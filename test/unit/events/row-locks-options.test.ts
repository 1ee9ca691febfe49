import { InvalidOptionError, rowLocks } from 'rowlock'
import { describe, expect, test } from 'vitest'
import { parseRowLocksOptions } from '../../../src/events/row-locks-options.js'

test('nobody listens to events by default, and a lock is slow after a second', () => {
  expect(parseRowLocksOptions()).toEqual({ onEvent: undefined, slowLock: 1_000, telemetry: true })
})

describe('rowLocks refuses', () => {
  test.each<[string, unknown, string]>([
    ['options that are no object', 7, 'options'],
    ['an option that it does not know', { onevent: () => undefined }, 'options.onevent'],
    ['a listener that is no function', { onEvent: 'console' }, 'options.onEvent'],
    ['a limit of nothing', { slowLock: 0 }, 'options.slowLock'],
    ['a limit that is no whole number', { slowLock: 1.5 }, 'options.slowLock'],
    ['telemetry that is neither on nor off', { telemetry: null }, 'options.telemetry'],
  ])('%s', (_, options, option) => {
    expect(() => rowLocks(options as never)).toThrow(expect.objectContaining({ constructor: InvalidOptionError, option }) as Error)
  })
})
