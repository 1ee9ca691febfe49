import fc from 'fast-check'
import { expect, test } from 'vitest'
import { renderLockPage } from '../../../src/report/lock-tree-html.js'
import type { LockView } from '../../../src/report/lock-view.js'
import type { LockTarget } from '../../../src/monitor/lock-tree-types.js'
import { session, tree, view } from './lock-trees.js'
import { hostileText, skeletonOf } from './page.js'

/** A page in which everything that comes from a database, its clients and its errors is `text` or `more`. */
function pageOf(text: string, more: string): LockView {
  const names = { label: text, applicationName: more, user: text, state: more, query: text }
  const targets: LockTarget[] = [
    { kind: 'row', schema: more, table: text, key: { [text]: more, id: new TextEncoder().encode(text) } },
    { kind: 'row', schema: more, table: text, model: more, key: { nested: { [more]: text } } },
    { kind: 'table', schema: text, table: more },
    { kind: 'other', type: text },
  ]
  const waiters = targets.map((target, index) =>
    // PostgreSQL's words are those of the type, and JSON from another version might have others.
    session(10 + index, { ...names, wait: { target, strength: more as never, duration: 5_000 } }),
  )
  const circle = session(2, { ...names, query: `SELECT ${more} FROM "${text}" FOR UPDATE`, wait: waiters[0]!.wait!, waiters: [] })
  return view({
    database: text,
    failure: more,
    age: 9_000,
    tree: tree(
      [session(1, { ...names, waiters }), circle],
      [
        { at: new Date(0), label: more, model: text, key: { [more]: text }, detail: text },
        { at: new Date(0), model: more, key: text },
      ],
    ),
  })
}

const plain = skeletonOf(renderLockPage(pageOf('plain', 'words')))

/** What a page has that the plain one has not. */
function foreign(page: string): string[] {
  const known = new Set(plain)
  return skeletonOf(page).filter((one) => !known.has(one))
}

test('no element and no attribute of the page comes from a session, a lock, a deadlock or an error, whatever they hold', () => {
  expect(plain.filter((one) => one.startsWith('script'))).toHaveLength(1)
  const property = fc.property(hostileText, hostileText, (text, more) => {
    const page = renderLockPage(pageOf(text, more))
    expect(foreign(page)).toEqual([])
    expect(skeletonOf(page).filter((one) => one.startsWith('script'))).toHaveLength(1)
  })
  fc.assert(property, { numRuns: 100 })
})

test('a page that did not escape one of them is found out', () => {
  const page = renderLockPage(pageOf('plain', '<img src=x onerror=alert(1)>'))
  expect(page).toContain('&lt;img src=x onerror=alert(1)&gt;')
  expect(foreign(page.replace('&lt;img src=x onerror=alert(1)&gt;', '<img src=x onerror=alert(1)>'))).toEqual(['img src=x onerror'])
})
