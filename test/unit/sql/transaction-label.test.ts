import { InvalidOptionError } from 'rowlock'
import { expect, test } from 'vitest'
import { andSetLabel, parseLabel, readLabel } from '../../../src/sql/transaction-label.js'

test.each([['a'], ['nightly report'], ["it's 100 % \\ 'fine'"], ['x'.repeat(40)], [' rowlock:'], [undefined]])('%j is a label', (label) => {
  expect(parseLabel(label)).toBe(label)
})

test.each([[''], ['x'.repeat(41)], ['größe'], ['a\nb'], ['a\0'], ['\u007F'], [null], [7], [['a']], [Object('a')]])(
  '%j is no label',
  (label) => {
    expect(() => parseLabel(label)).toThrow(InvalidOptionError)
  },
)

test('without a label nothing is added to a statement', () => {
  expect(andSetLabel(undefined)).toBe('')
})

test.each([
  ['api rowlock:close month', { applicationName: 'api', label: 'close month' }],
  [' rowlock:a', { applicationName: '', label: 'a' }],
  ['api', { applicationName: 'api' }],
  ['', { applicationName: '' }],
  ['api rowlock:', { applicationName: 'api rowlock:' }],
  ['rowlock:a', { applicationName: 'rowlock:a' }],
  ['api rowlock:a rowlock:b', { applicationName: 'api', label: 'a rowlock:b' }],
  [`api rowlock:x rowlock:${'y'.repeat(40)}`, { applicationName: 'api rowlock:x', label: 'y'.repeat(40) }],
])('of the application name %j', (name, expected) => {
  expect(readLabel(name)).toEqual(expected)
})
