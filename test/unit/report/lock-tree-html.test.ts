import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { LOCK_PAGE_POLICY, renderLockPage } from '../../../src/report/lock-tree-html.js'
import { lockViewToJson } from '../../../src/report/lock-tree-to-json.js'
import { parse } from 'parse5'
import { busy, circle, minute, queue, session, tree, view, waitFor } from './lock-trees.js'
import { elementsOf, textOf } from './page.js'

const pages = {
  busy: view({ tree: busy, history: minute }),
  free: view({ history: minute }),
  circle: view({ tree: circle() }),
  queue: view({ tree: queue(30) }),
  failed: view({ tree: busy, failure: 'down' }),
}

const textOfPage = (page: string): string => textOf(parse(page)).replaceAll(/\s+/g, ' ')

test.each(Object.entries(pages))(
  'the page of %s loads nothing, and has one style and one script, which the policy names',
  (_name, given) => {
    const page = renderLockPage(given)
    expect(page).not.toMatch(/<(?:img|iframe|object|embed|base|form|link(?! rel="icon" href="data:,"))\b/i)
    expect(page).not.toMatch(/(?:src|href)="(?!data:,|#session-\d+"|\/tree\.json")/i)
    expect(page).not.toMatch(/https?:|@import|url\(/i)
    for (const kind of ['script', 'style']) {
      const [own, ...others] = [...page.matchAll(new RegExp(`<${kind}>(.*?)</${kind}>`, 'gs'))]
      expect(others).toEqual([])
      expect(LOCK_PAGE_POLICY).toContain(`${kind}-src 'sha256-${createHash('sha256').update(own![1]!).digest('base64')}'`)
    }
    const attributes = elementsOf(page).flatMap(({ attributes }) => attributes.map(({ name }) => name))
    expect(attributes.filter((name) => name.startsWith('on') || name === 'style')).toEqual([])
  },
)

test('a session shows who it is, what it waits for and how long, what it runs, and how it is ended', () => {
  const text = textOfPage(renderLockPage(view({ tree: busy, database: 'shop on db.internal' })))
  for (const part of [
    'shop on db.internal',
    '4 sessions wait, the longest for 41.0 s',
    'checkout (pid 4711) holds 3 of them up: idle in transaction, its transaction open for 2 min 14 s.',
    'checkout api pid 4711 idle in transaction holds up 3 holds the lock · transaction open for 2 min 14 s · user app',
    'credit api pid 4720 active holds up 2 waits 14.2 s for Wallet id = 7 forNoKeyUpdate',
    'runs SELECT Wallet WHERE id = $1 FOR NO KEY UPDATE',
    'FROM "public"."Wallet" WHERE "public"."Wallet"."id" = $1 LIMIT $2 OFFSET $3 FOR NO KEY UPDATE',
    'withdraw worker pid 4722',
    'waits 3.0 s for Wallet id = 7 forUpdate',
    'waits 41.0 s for the table WalletEntry',
    'SELECT pg_terminate_backend(4711)',
    'SELECT pg_cancel_backend(4802)',
    'npx rowlock locks --cancel 4720',
    '2026-03-14 02:11:47 UTC transfer was aborted at Wallet id = 9 Process 4690 waits for ShareLock',
  ]) {
    expect(text).toContain(part)
  }
})

test('a waiter stands inside the one it waits for, with a bar as long as its share of the longest wait', () => {
  const page = renderLockPage(view({ tree: busy }))
  const pathOf = (id: string) =>
    elementsOf(page)
      .find(({ attributes }) => attributes.some(({ name, value }) => name === 'id' && value === id))!
      .path.filter((one) => one.startsWith('session-'))
  expect(pathOf('session-4722')).toEqual(['session-4711', 'session-4720', 'session-4722'])
  expect(pathOf('session-4810')).toEqual(['session-4802', 'session-4810'])
  const widths = [...page.matchAll(/<rect width="([\d.]+)" height="1"/g)].map(([, width]) => Number(width))
  expect(widths).toEqual([34.6, 22.2, 7.4, 100])
})

test('a wait of some milliseconds has a short bar also when nobody waits longer', () => {
  const page = renderLockPage(view({ tree: tree([session(1, { waiters: [session(2, { wait: waitFor(30) })] })]) }))
  expect(page).toContain('<rect width="3.0" height="1"')
  expect(textOfPage(page)).toContain('1 session waits for 30 ms')
})

test('nobody who waits is said in words', () => {
  const page = renderLockPage(view())
  expect(textOfPage(page)).toContain('All clear Nobody waits for a lock')
  expect(page).not.toContain('<ul>')
  expect(page).toContain('<title>rowlock locks</title>')
})

test('a session whose transaction may not be seen has no age, and no made-up one', () => {
  const { transactionAge: _, ...unseen } = session(1, {
    state: '<insufficient privilege>',
    waiters: [session(2, { wait: waitFor(5_000) })],
  })
  const text = textOfPage(renderLockPage(view({ tree: tree([unseen]) })))
  expect(text).toContain('api (pid 1) holds it up: <insufficient privilege>.')
  expect(text).toContain('holds the lock · user app')
  expect(text).not.toMatch(/undefined|NaN/)
})

test('a circle says that PostgreSQL ends it', () => {
  expect(textOfPage(renderLockPage(view({ tree: circle() })))).toContain(
    'first (pid 1) waits for Wallet id = 7 in a circle of sessions that wait for each other',
  )
})

test('a queue shows how many are before a waiter, and no more sessions than a browser can draw', () => {
  const text = textOfPage(renderLockPage(view({ tree: queue(300) })))
  expect(text).toContain('also behind 102, 103')
  expect(text).toContain('also behind 40 sessions')
  expect(text).toContain('300 sessions wait')
  expect(text).toContain('and 101 sessions more')
})

test('a prepared transaction that holds a lock is no session to be cancelled', () => {
  const text = textOfPage(renderLockPage(view({ tree: tree([session(0, { waiters: [session(2, { wait: waitFor(5_000) })] })]) })))
  expect(text).toContain('prepared transaction holds it up')
  expect(text).toContain("ROLLBACK PREPARED 'gid'")
  expect(text).not.toContain('backend(0)')
})

test.each([
  [
    'the last reading failed',
    view({ tree: busy, age: 12_000, failure: 'connect ECONNREFUSED' }),
    'locks could not be read. What stands below is 12.0 s old.',
  ],
  ['the database has been silent', view({ tree: busy, age: 7_000 }), 'the database has not answered yet. What stands below is 7.0 s old.'],
])('when %s, the page says that it is not live, also in its title', (_when, given, words) => {
  const page = renderLockPage(given)
  expect(textOfPage(page)).toContain(words)
  expect(page).toContain('<title>⚠ not live · rowlock locks</title>')
  expect(page).toContain('class="broken"')
  expect(renderLockPage(view({ tree: busy }))).not.toContain('class="broken"')
})

test('before the first answer, and when there was none, the page says so and has no tree', () => {
  const nothing = { history: [], nextIn: 100 }
  expect(textOfPage(renderLockPage(nothing))).toContain('Reading the locks')
  const failed = textOfPage(renderLockPage({ ...nothing, failure: 'no such host' }))
  expect(failed).toContain('The locks cannot be read')
  expect(failed).toContain('no such host')
})

test('the charts have a bar a second, a small one where nobody waited, and none where nobody read', () => {
  const history = minute.filter((_, index) => index < 10 || index >= 30)
  const page = renderLockPage(view({ history: [...history.slice(0, -1), { secondsAgo: 0 }] }))
  const bars = [...page.matchAll(/<rect x="([\d.]+)" y="[\d.]+" width="0.8" height="([\d.]+)"/g)].map(([, x, height]) => [
    Math.floor(Number(x)),
    Number(height),
  ])
  expect(bars).toHaveLength(2 * 39)
  const waiting = new Map(bars.slice(0, 39) as [number, number][])
  expect([waiting.get(0), waiting.get(15), waiting.get(30), waiting.get(58), waiting.get(59)]).toEqual([2, undefined, 25, 100, undefined])
  expect(textOfPage(page)).toContain('Sessions waiting — at most 4')
  expect(textOfPage(renderLockPage(view({ history: minute })))).toContain('Longest wait 41.0 s at most 41.0 s')
})

test('as JSON every session is there once, and a bigint is text', () => {
  const advisory = session(8, { wait: { target: { kind: 'advisory', key: 7n }, duration: 1 } })
  const written = JSON.parse(lockViewToJson(view({ tree: tree([session(5, { waiters: [advisory] })]), history: minute })))
  expect(written.tree.readAt).toBe('2026-03-14T02:13:05.250Z')
  expect(written.tree.roots[0].waiters[0]).toMatchObject({ pid: 8, waitsFor: [5], wait: { target: { kind: 'advisory', key: '7' } } })
  expect(written.history).toHaveLength(60)
  expect(lockViewToJson(view({ tree: queue(40) })).match(/"pid"/g)).toHaveLength(41)
  expect(JSON.parse(lockViewToJson({ history: [], nextIn: 1, failure: 'down' }))).toEqual({
    history: [],
    nextIn: 1,
    failure: 'down',
    tree: null,
  })
})
