import fc from 'fast-check'
import { type DefaultTreeAdapterTypes, parse } from 'parse5'
import { expect, test } from 'vitest'
import { renderExploreHtml } from '../../../src/report/explore-html.js'
import { step, violated } from './facts.js'

type Node = DefaultTreeAdapterTypes.Node
type Page = Parameters<typeof renderExploreHtml>[0]

/** Text that would be markup if it were not escaped, in every context that HTML has. */
const hostile = fc.oneof(
  fc.constantFrom(
    ...[
      '<script>alert(1)</script>',
      '</script><script>alert(1)</script>',
      '</style><img src=x onerror=alert(1)>',
      '</pre><b>',
      '</li></ol>',
    ],
    ...[
      '" onfocus=alert(1) x="',
      "' onfocus=alert(1) '",
      '<!--',
      '--!>',
      '<![CDATA[',
      ']]>',
      '<svg/onload=alert(1)>',
      '<base href=//evil>',
    ],
    ...[
      '&lt;b&gt;',
      '&#60;b&#62;',
      '\u2028',
      '</title><h1>',
      '`<b>`',
      '<plaintext>',
      '<template>',
      '<table><td>',
      'javascript:alert(1)',
      '\0<b>',
    ],
  ),
  fc.string({ unit: 'binary' }),
  fc.array(fc.constantFrom('<', '>', '"', "'", '&', '/', '=', '`', '!', '-', 'a', ' '), { maxLength: 12 }).map((parts) => parts.join('')),
)

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

/** The elements of a page with the names of their attributes, in order, and the values of those that a browser acts on. */
function skeleton(page: string): string[] {
  const found: string[] = []
  const visit = (node: Node) => {
    if ('tagName' in node) {
      const attributes = node.attrs.map(({ name, value }) =>
        /^(?:id|class|type|src|href|style|content|http-equiv)$/.test(name) ? `${name}=${value}` : name,
      )
      found.push(`${node.tagName} ${attributes.join(' ')}`)
    }
    if (node.nodeName === '#comment') found.push('a comment')
    if ('childNodes' in node) for (const child of node.childNodes) visit(child)
  }
  visit(parse(page))
  return found.filter((one) => !OF_THE_TEXT.test(one))
}

// Between backticks prose becomes code, and a statement's last words become its lock: both hold text alone.
const OF_THE_TEXT = /^(?:code|em|b) $/

test('no element and no attribute of the page comes from a run, whatever its SQL, names, values and errors are', () => {
  const plain = skeleton(renderExploreHtml(pageOf('plain', 'words')))
  expect(plain.filter((one) => one.startsWith('script'))).toHaveLength(1)
  const property = fc.property(hostile, hostile, (text, more) => {
    const names = new Set(plain)
    const own = skeleton(renderExploreHtml(pageOf(text, more)))
    expect(own.filter((one) => !names.has(one))).toEqual([])
    expect(own.filter((one) => one.startsWith('script'))).toHaveLength(1)
  })
  fc.assert(property, { numRuns: 100 })
})
