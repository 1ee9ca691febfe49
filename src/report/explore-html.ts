import { createHash } from 'node:crypto'
import type { Counterexample, ExploreFacts } from '../explorer/report-types.js'
import { renderDetails } from './explore-html-details.js'
import { SCRIPT } from './explore-html-script.js'
import { STYLE } from './explore-html-style.js'
import { renderTimeline } from './explore-html-timeline.js'
import { replayCommand, replayTest } from './explore-replay.js'
import { describeCounts, describeOutcome, describeVerdict, LIMITS, NONDETERMINISTIC } from './explore-verdict.js'
import { html, type Markup, trusted } from './html.js'

/** Nothing is loaded, and no script runs but the page's own, whatever a statement holds. */
const POLICY = [
  `default-src 'none'`,
  `style-src 'unsafe-inline'`,
  `img-src data:`,
  `script-src 'sha256-${createHash('sha256').update(SCRIPT).digest('base64')}'`,
  `base-uri 'none'`,
  `form-action 'none'`,
].join('; ')

/** As the hash above has it, to the last space. */
const PAGE_SCRIPT = trusted(`<script>${SCRIPT}</script>`)

/** The verdict as one self-contained HTML page. */
export function renderExploreHtml(facts: ExploreFacts): string {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${POLICY}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <link rel="icon" href="data:," />
        <title>${describeVerdict(facts)} · rowlock explore</title>
        <style>
          ${trusted(STYLE)}
        </style>
      </head>
      <body class="${facts.verdict}">
        ${header(facts)}
        <main>${facts.warnings.map(warning)} ${sections(facts)}</main>
        <footer>${LIMITS}</footer>
        ${PAGE_SCRIPT}
      </body>
    </html>`
  return page.text
}

const SIGNS = { held: '✓', violated: '✕', nondeterministic: '≠', exhausted: '…' } as const

function header(facts: ExploreFacts): Markup {
  return html`<header>
    <p class="brand">rowlock <span>explore</span></p>
    <p class="verdict"><span aria-hidden="true">${SIGNS[facts.verdict]}</span> ${capitalized(facts.verdict)}</p>
    <h1>${title(facts)}</h1>
    ${lead(facts)}
    <dl class="counts">
      ${describeCounts(facts.counts).map(
        ({ label, value }) =>
          html`<div>
            <dt>${label}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
  </header>`
}

function title(facts: ExploreFacts): string {
  const text = facts.verdict === 'violated' ? facts.counterexample.anomaly.name : describeVerdict(facts).replace(/^\w+: /, '')
  return capitalized(text)
}

const capitalized = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

function lead(facts: ExploreFacts): Markup {
  if (facts.verdict === 'violated') return html`<p class="lead">${prose(facts.counterexample.anomaly.sentence)}</p>`
  if (facts.verdict === 'nondeterministic') return html`<p class="lead">${NONDETERMINISTIC}</p>`
  if (facts.verdict === 'exhausted') return html`<p class="lead">${prose(facts.reason)}</p>`
  return html`<p class="lead">
    The invariant held after every one of them, for ${facts.actors.length} operations: ${facts.actors.join(', ')}.
  </p>`
}

const warning = (text: string): Markup => html`<p class="warning"><strong>Warning</strong> ${prose(text)}</p>`

function sections(facts: ExploreFacts): Markup {
  if (facts.verdict === 'violated') return violated(facts.counterexample, facts.token)
  if (facts.verdict !== 'nondeterministic') return html``
  return html`<section class="cards" aria-label="The difference">
      ${card(`Step ${facts.step}, first run`, preformatted(facts.first))} ${card('The same schedule again', preformatted(facts.second))}
    </section>
    ${replaySection(facts.token)}`
}

function violated(counterexample: Counterexample, token: string): Markup {
  const { anomaly, reason, expected, actual, outcomes } = counterexample
  return html`<section class="cards" aria-label="What broke, and what prevents it">
      ${card(
        'Broken invariant',
        html`<p class="multiline">${reason}</p>
          ${compared(expected, actual)}`,
      )}
      ${card('What prevents it', html`<p>${prose(anomaly.prevention)}</p>`, 'prevention')}
    </section>
    <section class="run" aria-labelledby="timeline-title">
      <div class="timeline">
        <h2 id="timeline-title">The schedule that breaks it</h2>
        ${legend(anomaly.steps)} ${renderTimeline(counterexample)}
      </div>
      ${renderDetails(counterexample)}
    </section>
    <section class="cards" aria-label="Outcomes">
      ${card(
        'How the operations ended',
        html`<ul>
          ${outcomes.map((outcome) => html`<li><code>${describeOutcome(outcome)}</code></li>`)}
        </ul>`,
      )}
    </section>
    ${replaySection(token, replayTest(counterexample, token))}`
}

function card(heading: string, content: Markup, kind = ''): Markup {
  return html`<div class="card ${kind}">
    <h2>${heading}</h2>
    ${content}
  </div>`
}

const preformatted = (text: string): Markup => html`<pre>${text}</pre>`

function compared(expected: string | undefined, actual: string | undefined): Markup {
  if (expected === undefined && actual === undefined) return html``
  return html`<dl class="compared">
    <div>
      <dt>expected</dt>
      <dd><pre>${expected ?? '—'}</pre></dd>
    </div>
    <div class="actual">
      <dt>actual</dt>
      <dd><pre>${actual ?? '—'}</pre></dd>
    </div>
  </dl>`
}

function legend(steps: readonly number[]): Markup {
  const anomaly = steps.length === 0 ? undefined : html`<li><i class="key anomaly"></i>makes the anomaly</li>`
  return html`<ul class="legend">
    ${anomaly}
    <li><i class="key wait"></i>waits for a lock</li>
    <li><i class="key failed"></i>fails</li>
    <li class="hint">Point at a step, tap it, or use ↑ and ↓ for its SQL.</li>
  </ul>`
}

function replaySection(token: string, test?: readonly string[]): Markup {
  return html`<section class="replay" aria-labelledby="replay-title">
    <h2 id="replay-title">Run this schedule again</h2>
    ${copyable('token', 'Token, for replay(token, options)', token)} ${copyable('command', 'From a shell', replayCommand(token))}
    ${test && copyable('test', 'As a test, with the options of this exploration', test.join('\n'))}
  </section>`
}

function copyable(id: string, label: string, text: string): Markup {
  return html`<div class="copyable">
    <p id="${id}-label">${label}</p>
    <pre id="${id}" tabindex="0" aria-labelledby="${id}-label">${text}</pre>
    <button type="button" data-copy="${id}" aria-label="Copy: ${label}">Copy</button>
  </div>`
}

/** Prose with code between backticks. */
function prose(text: string): Markup[] {
  return text.split(/`([^`]+)`/).map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : html`${part}`))
}
