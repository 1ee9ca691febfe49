import { createHash } from 'node:crypto'
import type { DeadlockRecord } from '../monitor/lock-tree-types.js'
import { describeRowKey, describeTarget, nameOfSession, PREPARED } from './describe-lock.js'
import { formatDuration } from './format.js'
import { html, type Markup, trusted } from './html.js'
import { countBelow, type LockForest, type PlacedSession, toForest } from './lock-forest.js'
import { renderHistory } from './lock-tree-html-chart.js'
import { SCRIPT } from './lock-tree-html-script.js'
import { renderSession } from './lock-tree-html-session.js'
import { STYLE } from './lock-tree-html-style.js'
import { type LockView, STALE_AFTER } from './lock-view.js'
import { count } from './plain-text.js'

/** Nobody reads more of them, and a browser should not have to draw thousands of them each second. */
const MAX_SESSIONS = 200
const MAX_DEADLOCKS = 10
const MAX_LEADS = 3

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** To be sent with the page: nothing is loaded from elsewhere, and no style and script counts but its own. */
export const LOCK_PAGE_POLICY = [
  `default-src 'none'`,
  `connect-src 'self'`,
  `img-src data:`,
  `style-src ${hashOf(STYLE)}`,
  `script-src ${hashOf(SCRIPT)}`,
  `base-uri 'none'`,
  `form-action 'none'`,
  `frame-ancestors 'none'`,
].join('; ')

/** As the hashes above have them, to the last space. */
const PAGE_STYLE = trusted(`<style>${STYLE}</style>`)
const PAGE_SCRIPT = trusted(`<script>${SCRIPT}</script>`)

/** Who waits for whom as a page that asks for itself again every second, and replaces what has changed. */
export function renderLockPage(view: LockView): string {
  const forest = view.tree && toForest(view.tree, MAX_SESSIONS)
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <noscript><meta http-equiv="refresh" content="2" /></noscript>
        <link rel="icon" href="data:," />
        <title>${title(view, forest)}</title>
        ${PAGE_STYLE}
      </head>
      <body>
        <div id="lost" class="alarm" role="alert" hidden>
          <strong>Not live: rowlock does not answer.</strong> It was ended, or the way to it is cut. What stands below is from
          <b id="lost-since"></b> and may be over by now. This page goes on trying.
        </div>
        <div id="view" class="${stateOf(view, forest)}" data-next="${Math.round(view.nextIn)}">
          ${header(view, forest)}
          <main>
            ${forest && sessions(forest)}
            <div class="side">${renderHistory(view)} ${view.tree && deadlocks(view.tree.deadlocks)}</div>
          </main>
        </div>
        <footer>Read once a second. This page changes nothing. The same for programs: <a href="/tree.json">tree.json</a></footer>
        ${PAGE_SCRIPT}
      </body>
    </html>`
  return page.text
}

function title(view: LockView, forest: LockForest | undefined): string {
  const state = stateOf(view, forest)
  if (state === 'broken') return '⚠ not live · rowlock locks'
  return `${state === 'waiting' ? `(${forest!.waiters}) ` : ''}rowlock locks`
}

function stateOf(view: LockView, forest: LockForest | undefined): 'broken' | 'reading' | 'waiting' | 'free' {
  if (view.failure !== undefined || (view.age ?? 0) > STALE_AFTER) return 'broken'
  if (!forest) return 'reading'
  return forest.waiters > 0 ? 'waiting' : 'free'
}

const PILLS = {
  broken: { sign: '⚠', text: 'Not live' },
  reading: { sign: '…', text: 'Reading' },
  waiting: { sign: '✕', text: 'Sessions wait' },
  free: { sign: '✓', text: 'All clear' },
}

function header(view: LockView, forest: LockForest | undefined): Markup {
  const { sign, text } = PILLS[stateOf(view, forest)]
  return html`<header>
    <p class="brand">
      rowlock <span>locks</span> ${view.database && html`<span class="database">${view.database}</span>`}
      ${view.tree && html`<span class="read">read at ${moment(view.tree.readAt)}</span>`}
    </p>
    ${trouble(view)}
    <p class="verdict" role="status"><span aria-hidden="true">${sign}</span> ${text}</p>
    ${forest ? headline(forest) : html`<h1>${view.failure === undefined ? 'Reading the locks' : 'The locks cannot be read'}</h1>`}
  </header>`
}

/** Why what is shown is not what is going on. */
function trouble({ failure, age }: LockView): Markup | undefined {
  const shown = age === undefined ? undefined : html` What stands below is ${formatDuration(age)} old.`
  if (failure !== undefined) {
    return html`<div class="alarm" role="alert">
      <strong>Not live: the locks could not be read.</strong>${shown} It is tried again every second.
      <pre>${failure}</pre>
    </div>`
  }
  if (age === undefined || age <= STALE_AFTER) return undefined
  return html`<div class="alarm" role="alert"><strong>Not live: the database has not answered yet.</strong>${shown}</div>`
}

function headline(forest: LockForest): Markup {
  if (forest.waiters === 0) {
    return html`<h1>Nobody waits for a lock</h1>
      <p class="lead">Every transaction gets the locks that it asks for. As soon as one has to wait, it is here.</p>`
  }
  const { waiters, longestWait } = forest
  return html`<h1>${count(waiters, 'session')} ${waiters === 1 ? 'waits' : 'wait, the longest'} for ${formatDuration(longestWait)}</h1>
    ${lead(forest)}`
}

/** Where to look first. */
function lead({ roots, waiters }: LockForest): Markup[] {
  const worst = roots.toSorted((one, other) => countBelow(other) - countBelow(one))
  return worst.slice(0, MAX_LEADS).map((root) => html`<p class="lead">${whatItDoes(root, waiters)}</p>`)
}

function whatItDoes(root: PlacedSession, waiters: number): Markup {
  const { pid, state, transactionAge, wait } = root
  const name = html`<a href="#session-${pid}">${nameOfSession(root)}</a>${pid === PREPARED ? '' : ` (pid ${pid})`}`
  if (wait) {
    return html`${name} waits for ${describeTarget(wait.target)} in a circle of sessions that wait for each other: PostgreSQL ends one of
      them after its <code>deadlock_timeout</code>.`
  }
  const below = countBelow(root)
  const held = waiters === 1 ? 'it' : below === waiters ? `all ${waiters}` : `${below} of them`
  const age = transactionAge === undefined ? '' : `, its transaction open for ${formatDuration(transactionAge)}`
  return html`${name} holds ${held} up: ${state}${age}.`
}

function sessions({ roots, longestWait, leftOut }: LockForest): Markup {
  if (roots.length === 0) return html``
  return html`<section class="sessions" aria-label="Who waits for whom">
    <ul>
      ${roots.map((root) => renderSession(root, longestWait))}
    </ul>
    ${leftOut > 0 ? html`<p class="left-out">and ${count(leftOut, 'session')} more</p>` : undefined}
  </section>`
}

function deadlocks(records: readonly DeadlockRecord[]): Markup {
  if (records.length === 0) return html``
  return html`<section class="card deadlocks" aria-labelledby="deadlocks-title">
    <h2 id="deadlocks-title">Recent deadlocks</h2>
    <ol>
      ${records.slice(0, MAX_DEADLOCKS).map(deadlock)}
    </ol>
  </section>`
}

function deadlock({ at, label, model, key, detail }: DeadlockRecord): Markup {
  const row = [model, describeRowKey(key)].filter(Boolean).join(' ')
  return html`<li>
    <p>${moment(at)} <b>${label ?? 'a transaction'}</b> was aborted${row && html` at <span class="target">${row}</span>`}</p>
    ${detail && html`<pre>${detail}</pre>`}
  </li>`
}

/** In UTC, until the page's script says it in the reader's own time. */
function moment(date: Date): Markup {
  const text = date.toISOString()
  return html`<time datetime="${text}">${text.slice(0, 19).replace('T', ' ')} UTC</time>`
}
