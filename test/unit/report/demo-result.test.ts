import { describe, expect, test } from 'vitest'
import { isRight, judgeDemo, type DemoVersionResult } from '../../../src/report/demo-result.js'
import { demo, locked, naive, scenario } from './demo-results.js'

describe('a version is right', () => {
  test('when as many succeed as should, nothing is lost and nothing is found', () => {
    expect(isRight(locked)).toBe(true)
  })

  test.each<[string, Partial<DemoVersionResult>]>([
    ['more succeed than should', { succeeded: 2 }],
    ['fewer succeed than should', { succeeded: 0 }],
    ['something is lost', { lost: { amount: 1, unit: 'tickets' } }],
    ['something is found', { findings: ['1 request failed with POOL_TIMEOUT: No connection came free.'] }],
  ])('but not when %s', (_title, change) => {
    expect(isRight({ ...locked, ...change })).toBe(false)
  })
})

describe('a demo', () => {
  test('passes when every naive version is wrong and every other one right', () => {
    expect(judgeDemo(demo(scenario(naive, locked), scenario(naive, { ...locked, version: 'retried' }, locked)))).toEqual({
      ok: true,
      failures: [],
    })
  })

  test('fails when a locked version is wrong, and says what was found', () => {
    const wrong = { ...locked, findings: ['2 tickets were sold; there was 1.'] }
    expect(judgeDemo(demo(scenario(naive, wrong)))).toEqual({
      ok: false,
      failures: ['Ticket: the locked version is wrong. 2 tickets were sold; there was 1.'],
    })
  })

  test('fails when a retried version is wrong, and says so also when nothing was found', () => {
    const wrong = { ...locked, version: 'retried', succeeded: 0 } as const
    expect(judgeDemo(demo(scenario(naive, wrong, locked))).failures).toEqual([
      'Ticket: the retried version is wrong. 0 requests succeeded instead of 1.',
    ])
  })

  test('fails when a naive version is right, as it then proved nothing', () => {
    const lucky = { ...locked, version: 'naive', rounds: 5 } as const
    expect(judgeDemo(demo(scenario(lucky, locked)))).toEqual({
      ok: false,
      failures: ['Ticket: the naive version was right in all 5 races, so nothing was proved; run the demo again.'],
    })
  })

  test('names every failure', () => {
    const lucky = { ...locked, version: 'naive' } as const
    expect(judgeDemo(demo(scenario(lucky, naive), scenario(lucky, locked))).failures).toHaveLength(2)
  })

  test('fails when a side was not run', () => {
    expect(judgeDemo(demo()).ok).toBe(false)
    expect(judgeDemo(demo(scenario(naive))).ok).toBe(false)
    expect(judgeDemo(demo(scenario(locked))).ok).toBe(false)
  })
})
