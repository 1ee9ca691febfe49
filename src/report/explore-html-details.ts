import type { StepEvent, StepResult } from '../explorer/history.js'
import type { Counterexample } from '../explorer/report-types.js'
import { describeResult } from './describe-result.js'
import { describeWait } from './explore-lanes.js'
import { toMoments } from './explore-timeline.js'
import { html, type Markup } from './html.js'
import { shortenSql } from './shorten-sql.js'

const MAX_ROWS = 20

/** The panel beside the timeline: for each statement its whole SQL, its parameters and what came back. */
export function renderDetails(counterexample: Counterexample): Markup {
  const { actors } = counterexample
  const details = toMoments(counterexample.events).map((moment) => {
    if (moment.kind !== 'statement') return undefined
    const waits = moment.wait && `${describeWait(moment.wait, actors)}${endOfWait(moment.statement)}`
    return renderDetail(moment.statement, actors[moment.actor]!, waits)
  })
  return html`<aside class="details" id="details" aria-label="The chosen statement" tabindex="-1">
    <button type="button" class="close" aria-label="Close">✕</button>
    ${details}
  </aside>`
}

function endOfWait({ wait }: StepEvent): string {
  return wait?.until === undefined ? ', and nothing ended it' : `, until step ${wait.until}`
}

function renderDetail(event: StepEvent, actor: string, waits: string | undefined): Markup {
  const { step, sql, args, transaction, result } = event
  return html`<section id="detail-${step}" hidden>
    <p class="where">Step ${step} · ${actor}${transaction === undefined ? '' : ` · transaction ${transaction}`}</p>
    <h3>${shortenSql(sql, args)}</h3>
    ${waits && html`<p class="waits">${waits}</p>`}
    <h4>SQL</h4>
    <pre class="sql">${sql}</pre>
    ${renderArgs(args)}
    <h4>Result</h4>
    <p>${describeResult(event) || 'done'}</p>
    ${result && renderResult(result)}
  </section>`
}

function renderArgs(args: readonly unknown[]): Markup {
  if (args.length === 0) return html``
  return html`<h4>Parameters</h4>
    <dl class="args">
      ${args.map(
        (arg, index) =>
          html`<div>
            <dt>$${index + 1}</dt>
            <dd>${show(arg)}</dd>
          </div>`,
      )}
    </dl>`
}

function renderResult({ error, columns = [], values = [] }: StepResult): Markup {
  if (error !== undefined) return html`<pre class="error">${error}</pre>`
  if (values.length === 0 || columns.length === 0) return html``
  const more = values.length > MAX_ROWS ? html`<p>and ${values.length - MAX_ROWS} more</p>` : undefined
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Rows">
      <table>
        <thead>
          <tr>
            ${columns.map((column) => html`<th scope="col">${column}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${values.slice(0, MAX_ROWS).map(
            (row) =>
              html`<tr>
                ${row.map((value) => html`<td>${show(value)}</td>`)}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${more}`
}

function show(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'bigint') return String(value)
  return JSON.stringify(value, (_, field: unknown) => (typeof field === 'bigint' ? String(field) : field)) ?? 'NULL'
}
