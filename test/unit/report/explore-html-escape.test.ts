import fc from 'fast-check'
import { expect, test } from 'vitest'
import { renderExploreHtml } from '../../../src/report/explore-html.js'
import { step, violated } from './facts.js'
import { hostileText, skeletonOf } from './page.js'

type Page = Parameters<typeof renderExploreHtml>[0]

/** A page in which everything that comes from a run is `text`. */
const pageOf = (text: string, more: string): Page => ({
  ...violated({
    actors: [text, more],
    events: [
      step(1, 0, `SELECT '${text}' FROM "${more}" WHERE "x" = $1`, {
        args: [text, { [text]: more }],
        result: { rows: 1, columns: [text], values: [[more]] },
      }),
      step(2, 1, text, { args: [more], wait: { for: [0], until: 3 }, result: { rows: 0, sqlState: text, error: more } }),
      step(3, 0, `UPDATE "${text}" SET "x" = $1`, { args: [text] }),
      { kind: 'settled', step: 3, actor: 1, error: text },
    ],
    reason: text,
    expected: more,
    actual: text,
    outcomes: [{ actor: text, status: 'rejected', text: more }],
    anomaly: { name: text, sentence: more, prevention: text, steps: [1] },
  }),
  warnings: [text],
  token: more,
})

const skeleton = (page: string): string[] => skeletonOf(page).filter((one) => !OF_THE_TEXT.test(one))

// Between backticks prose becomes code, and a statement's last words become its lock: both hold text alone.
const OF_THE_TEXT = /^(?:code|em|b) $/

test('no element and no attribute of the page comes from a run, whatever its SQL, names, values and errors are', () => {
  const plain = skeleton(renderExploreHtml(pageOf('plain', 'words')))
  expect(plain.filter((one) => one.startsWith('script'))).toHaveLength(1)
  const property = fc.property(hostileText, hostileText, (text, more) => {
    const names = new Set(plain)
    const own = skeleton(renderExploreHtml(pageOf(text, more)))
    expect(own.filter((one) => !names.has(one))).toEqual([])
    expect(own.filter((one) => one.startsWith('script'))).toHaveLength(1)
  })
  fc.assert(property, { numRuns: 100 })
})
