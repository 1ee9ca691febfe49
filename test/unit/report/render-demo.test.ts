import { describe, expect, test } from 'vitest'
import { demoToJson } from '../../../src/report/demo-to-json.js'
import { formatDuration, formatLoss } from '../../../src/report/format.js'
import { renderDemo } from '../../../src/report/render-demo.js'
import { demo, locked, naive, scenario } from './demo-results.js'

// eslint-disable-next-line no-control-regex
const ESCAPE = /\u001B\[/

const cells = (line: string | undefined) =>
  line
    ?.split('│')
    .map((cell) => cell.trim())
    .filter((cell) => cell !== '')

describe('the table of a demo', () => {
  const lines = renderDemo(demo(scenario(naive, locked)), { color: false }).split('\n')

  test('says what is raced and what should come out', () => {
    expect(cells(lines.find((line) => line.includes('1. Ticket')))).toEqual(['1. Ticket: 15 buyers and 1 ticket. Exactly 1 buyer gets it.'])
  })

  test('has a row for each version', () => {
    expect(cells(lines.find((line) => line.startsWith('│ naive')))).toEqual(['naive', '15', '14', '1', '13 tickets', '85 ms', '0', 'wrong'])
    expect(cells(lines.find((line) => line.startsWith('│ locked')))).toEqual(['locked', '15', '1', '1', 'nothing', '85 ms', '3', 'right'])
  })

  test('is followed by what went wrong and the verdict', () => {
    expect(lines.slice(-5)).toEqual([
      'What went wrong:',
      '  Ticket, naive: 14 tickets were sold; there was 1.',
      '',
      'Every naive version was wrong, and every version with row locks was right.',
      '12.3 s on PostgreSQL (embedded).',
    ])
  })

  test('is followed by the failures when the demo failed', () => {
    const text = renderDemo(demo(scenario({ ...locked, version: 'naive' }, locked)), { color: false })
    expect(text).toContain('The demo failed.\n  Ticket: the naive version was right in the race')
    expect(text).not.toContain('What went wrong')
  })

  test('is as wide in every line, and fits 100 columns', () => {
    const widths = new Set(lines.filter((line) => /^[┌│├└]/.test(line)).map((line) => line.length))
    expect([...widths]).toEqual([Math.min(...widths)])
    expect(Math.max(...widths)).toBeLessThanOrEqual(100)
  })

  test('has colours only when asked for', () => {
    expect(lines.join('\n')).not.toMatch(ESCAPE)
    expect(renderDemo(demo(scenario(naive, locked)), { color: true })).toMatch(ESCAPE)
  })
})

test('the JSON of a demo says what is right and why the demo failed', () => {
  const wrong = { ...locked, findings: ['The stock says that 1 are left.'] }
  const parsed = JSON.parse(demoToJson(demo(scenario(naive, wrong))))
  expect(parsed).toMatchObject({ ok: false, failures: [expect.stringContaining('The stock says')], database: 'embedded', duration: 12_346 })
  expect(parsed.scenarios[0].versions).toEqual([
    { ...naive, duration: 85, right: false },
    { ...wrong, duration: 85, right: false },
  ])
})

test('durations and losses are told in words', () => {
  expect([0.4, 999.4, 1_000, 61_250].map(formatDuration)).toEqual(['0 ms', '999 ms', '1.0 s', '1 min 1 s'])
  expect(formatLoss({ amount: 0, unit: 'money' })).toBe('nothing')
  expect(formatLoss({ amount: 4890, unit: 'money' })).toBe('4890.00 money')
  expect(formatLoss({ amount: 1, unit: 'tickets' })).toBe('1 ticket')
})
