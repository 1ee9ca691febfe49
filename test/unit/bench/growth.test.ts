import { describe, expect, test } from 'vitest'
import { growthLines, type Line } from '../../../bench/compare/growth/lines.js'
import { judgeLine } from '../../../bench/compare/growth/verdict.js'

describe('the lines of npm run bench:growth', () => {
  test.each([true, false])('are compared from one of their own points, before their last (quick: %s)', (quick) => {
    for (const { points, from } of growthLines({ quick })) {
      const xs = points.map(({ x }) => x)
      expect(xs).toEqual([...new Set(xs)].sort((a, b) => a - b))
      expect(xs.slice(0, -1)).toContain(from)
    }
  })

  test('reach 1,000 callers, 1,000,000 wallets, 8 processes and 10,000,000 entries', () => {
    const lasts = growthLines({ quick: false }).map(({ name, points }) => [name, points.at(-1)!.x])
    expect(Object.fromEntries(lasts)).toEqual({
      callers: 1_000,
      wallets: 1_000_000,
      'processes, one wallet': 8,
      'processes, many wallets': 8,
      history: 10_000_000,
    })
  })
})

describe('judgeLine', () => {
  const line = growthLines({ quick: true }).find(({ name }) => name === 'callers') as Line
  const judge = (...times: readonly number[]) => {
    const measured = line.points.map(({ x }, index) => ({ line: line.name, x, contestant: 'one', perOperation: times[index]! }))
    const [verdict] = judgeLine(line, measured)
    return [verdict!.ratio, verdict!.verdict]
  }

  test('compares the end to where the line is saturated, and not to its begin', () => {
    expect(judge(9, 1, 1.25)).toEqual([1.25, 'flat'])
    expect(judge(1, 9, 9)).toEqual([1, 'flat'])
  })

  test('tells growth, and its opposite', () => {
    expect(judge(1, 1, 1.26)).toEqual([1.26, 'grows'])
    expect(judge(1, 1, 0.79)).toEqual([0.79, 'falls'])
  })
})
