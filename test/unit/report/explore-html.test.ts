import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { renderExploreHtml } from '../../../src/report/explore-html.js'
import { html } from '../../../src/report/html.js'
import { deadlock, exhausted, held, hostile, lostUpdate, nondeterministic, TOKEN } from './facts.js'

const pages = { lostUpdate, deadlock, hostile, exhausted, nondeterministic, held: held({ kind: 'complete' }) }

test.each(Object.entries(pages))('the page of %s loads nothing and runs its own script only', (_name, facts) => {
  const page = renderExploreHtml(facts)
  expect(page).toMatch(/^<!doctype html>/)
  expect(page).not.toMatch(/<(?:img|iframe|object|embed|base|form)\b/i)
  expect(page).not.toMatch(/(?:src|href)="(?!data:,)/i)
  expect(page).not.toMatch(/https?:|@import|url\(/i)
  expect(page.match(/<script/g)).toHaveLength(1)
  expect(page.match(/<\/script/g)).toHaveLength(1)
  // Outside attributes' values, where such text is inert.
  expect(page.replace(/"[^"]*"/g, '""')).not.toMatch(/<[^>]*\son\w+=/i)
})

test('the policy allows exactly the script that the page holds', () => {
  const page = renderExploreHtml(lostUpdate)
  const script = /<script>(.*)<\/script>/s.exec(page)![1]!
  const hash = createHash('sha256').update(script).digest('base64')
  expect(page).toContain(html`script-src 'sha256-${hash}'`.text.replaceAll("'", '&#39;'))
})

test('what comes from a run is text, in elements and in attributes', () => {
  const page = renderExploreHtml(hostile)
  expect(page).toContain('&lt;/script&gt;&lt;img src=x onerror=&quot;alert(1)&quot;&gt;\\u001b[31m\\u0007')
  // eslint-disable-next-line no-control-regex
  expect(page).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
})

test('a violation shows its name, sentence, prevention, the waits, each statement in full, and how to replay it', () => {
  const page = renderExploreHtml(lostUpdate)
  for (const text of [
    '<h1>Lost update (P4)</h1>',
    'first wrote Wallet at step 4',
    'lock: &#39;forNoKeyUpdate&#39;',
    'The balance is not the sum of the ledger.',
    'waits for second (lock of step 3) on Wallet',
    'blocks first, since step 3',
    'woke at step 5',
    'wakes first',
    '(&quot;public&quot;.&quot;Wallet&quot;.&quot;userId&quot; = $1 AND 1=1) LIMIT $2 OFFSET $3',
    TOKEN,
    `npx rowlock explore file.ts --replay ${TOKEN}`,
    'expectHolds(await replay(',
  ]) {
    expect(page).toContain(text)
  }
})

test('each step is a button that names its step, actor, statement and result', () => {
  const labels = [...renderExploreHtml(lostUpdate).matchAll(/aria-label="(Step [^"]*)"/g)].map(([, label]) => label)
  expect(labels).toEqual([
    'Step 1, first: SELECT Wallet WHERE userId = 1; 1 row: balance 100.00; makes the anomaly',
    'Step 2, second: SELECT Wallet WHERE userId = 1; 1 row: balance 100.00',
    'Step 3, second: UPDATE Wallet SET balance = 90 WHERE id = 1; 1 row; makes the anomaly',
    'Step 4, first: UPDATE Wallet SET balance = 70 WHERE id = 1; waits for second (lock of step 3) on Wallet; makes the anomaly',
    'Step 5, second: COMMIT',
    'Step 6, first: COMMIT',
  ])
})

test('a deadlock names its actors, its victim and the time that passed', () => {
  const page = renderExploreHtml(deadlock)
  expect(page).toContain('first and second wait for each other; PostgreSQL ends first.')
  expect(page).toContain('40P01 deadlock detected')
  expect(page).toContain('150 ms pass')
  expect(page).toContain('threw DeadlockError')
})

test('every verdict has a page', () => {
  expect(renderExploreHtml(pages.held)).toContain('<h1>Held in all 14 schedules (complete)</h1>')
  expect(renderExploreHtml(exhausted)).toContain('The budget ended.')
  const page = renderExploreHtml(nondeterministic)
  expect(page).toContain('0 SELECT now() -&gt; 1')
  expect(page).toContain('0 SELECT 2 -&gt; 1')
})

test('a template escapes what is not markup', () => {
  expect(html`<a title="${'"><b>'}">${[html`<i>${'&'}</i>`, 1, undefined]}${"'\u202e"}</a>`.text).toBe(
    '<a title="&quot;&gt;&lt;b&gt;"><i>&amp;</i>1&#39;\\u202e</a>',
  )
})
