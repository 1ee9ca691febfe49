import { describeTarget, nameOfSession, PREPARED } from './describe-lock.js'
import { formatDuration } from './format.js'
import { html, type Markup } from './html.js'
import { countBelow, type PlacedSession } from './lock-forest.js'
import { count } from './plain-text.js'
import { shortenParts } from './shorten-sql.js'

/** A shorter wait does not fill the bar, however short the others are. */
const SHORTEST_SCALE = 1_000
const MAX_PIDS = 3
/** Of Prisma's finds; the values are not to be seen, and nearly always one row and no offset. */
const PAGE = /(?: LIMIT \$\d+)?(?: OFFSET \$\d+)$/

/** One session with those below it. `longest` is the wait that fills a bar, in milliseconds. */
export function renderSession(session: PlacedSession, longest: number, above?: number): Markup {
  const waiters = session.waiters.map((waiter) => renderSession(waiter, longest, session.pid))
  return html`<li id="session-${session.pid}" class="${above === undefined ? 'root' : 'waiter'}">
    <div class="session">
      ${renderName(session)} ${session.wait && renderWait(session, longest, above)} ${renderFacts(session)} ${renderQuery(session)}
    </div>
    ${
      waiters.length > 0
        ? html`<ul>
            ${waiters}
          </ul>`
        : undefined
    }
  </li>`
}

function renderName(session: PlacedSession): Markup {
  const { pid, label, applicationName, state } = session
  const below = countBelow(session)
  return html`<p class="who">
    <b>${nameOfSession(session)}</b> ${label !== undefined && applicationName ? html`<span>${applicationName}</span>` : undefined}
    ${pid !== PREPARED ? html`<span>pid ${pid}</span> <span class="state ${state.startsWith('idle') ? 'idle' : ''}">${state}</span>` : undefined}
    ${below > 0 ? html`<span class="blocks">holds up ${below}</span>` : undefined}
  </p>`
}

function renderWait({ wait, waitsFor }: PlacedSession, longest: number, above: number | undefined): Markup {
  const { target, strength, duration } = wait!
  const share = Math.min(1, duration / Math.max(longest, SHORTEST_SCALE))
  const others = waitsFor.filter((pid) => pid !== above)
  return html`<div class="wait">
    <p>
      <b>waits ${formatDuration(duration)}</b> for <span class="target">${describeTarget(target)}</span>
      ${strength && html`<code>${strength}</code>`}
      ${others.length > 0 ? html`<span class="also">${behind(others, above)}</span>` : undefined}
    </p>
    <svg class="bar" aria-hidden="true" preserveAspectRatio="none" viewBox="0 0 100 1">
      <rect width="${Math.max(0.5, share * 100).toFixed(1)}" height="1" />
    </svg>
  </div>`
}

function behind(pids: readonly number[], above: number | undefined): string {
  const who = pids.length > MAX_PIDS ? count(pids.length, 'session') : pids.join(', ')
  return `${above === undefined ? 'behind' : 'also behind'} ${who}`
}

function renderFacts({ pid, user, transactionAge, wait }: PlacedSession): Markup {
  const facts = [transactionAge !== undefined && `transaction open for ${formatDuration(transactionAge)}`, user && `user ${user}`]
  const role = wait || pid === PREPARED ? undefined : html`<b>holds the lock</b> · `
  return html`<p class="facts">${role}${facts.filter(Boolean).join(' · ')}</p>`
}

function renderQuery(session: PlacedSession): Markup {
  const { body, lock } = shortenParts(session.query, [])
  const statement = html`<code>${body.replace(PAGE, '') || '—'}${lock && html` <em>${lock}</em>`}</code>`
  return html`<details>
    <summary>${session.state === 'active' ? 'runs' : 'ran last'} ${statement}</summary>
    <pre>${session.query}</pre>
    ${renderEnding(session)}
  </details>`
}

/** What a person at a shell does about it; the page itself changes nothing. */
function renderEnding(session: PlacedSession): Markup {
  const { pid, state, wait } = session
  const waiting = count(countBelow(session), 'session')
  if (pid === PREPARED) {
    return ending('It outlives its connection. End it by the gid that pg_prepared_xacts has for it:', `ROLLBACK PREPARED 'gid'`)
  }
  if (wait) return ending('To end its wait, after a question:', `npx rowlock locks --cancel ${pid}`)
  if (state === 'active') {
    return ending(`To cancel what it runs, which undoes its transaction and lets ${waiting} go:`, `SELECT pg_cancel_backend(${pid})`)
  }
  return ending(
    `It runs nothing that could be cancelled: its application has to commit or roll back. To end its connection, which undoes its transaction and lets ${waiting} go:`,
    `SELECT pg_terminate_backend(${pid})`,
  )
}

const ending = (text: string, command: string): Markup =>
  html`<p class="ending">${text}</p>
    <pre>${command}</pre>`
