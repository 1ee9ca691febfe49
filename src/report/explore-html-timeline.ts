import type { Counterexample } from '../explorer/report-types.js'
import { describeResult, failed } from './describe-result.js'
import { describeWait, describeWaking } from './explore-lanes.js'
import { type Moment, toMoments, type Wait } from './explore-timeline.js'
import { html, type Markup } from './html.js'
import { list } from './plain-text.js'
import { shortenParts, shortenSql } from './shorten-sql.js'

/** What the rows of one timeline share. */
interface Timeline {
  readonly actors: readonly string[]
  readonly moments: readonly Moment[]
  readonly marked: readonly number[]
}

type Of<Kind extends Moment['kind']> = Extract<Moment, { kind: Kind }>

/** The first row holds the actors' names. */
const rowOf = (index: number): number => index + 2
/** The first column holds the steps' numbers. */
const columnOf = (actor: number): number => actor + 2

/** A grid: a column an actor, a row a moment, in the order of time also for who only hears it. */
export function renderTimeline({ actors, events, anomaly }: Counterexample): Markup {
  const timeline: Timeline = { actors, moments: toMoments(events), marked: anomaly.steps }
  return html`<div class="scroll">
    <div class="lanes" style="--lanes: ${actors.length}; --rows: ${timeline.moments.length + 1}">
      ${actors.map((actor, index) => renderHead(actor, index))} ${actors.map((_, actor) => renderLife(timeline, actor))}
      <ol>
        ${timeline.moments.map((moment, index) => renderMoment(timeline, moment, index))}
      </ol>
    </div>
  </div>`
}

function renderHead(actor: string, index: number): Markup {
  return html`<div class="head actor-${index % 6}" style="grid-area: 1 / ${columnOf(index)}">${actor}</div>`
}

/** A line from the top to where the actor's operation ended. */
function renderLife({ moments }: Timeline, actor: number): Markup {
  const end = moments.findLastIndex((moment) => moment.kind === 'settled' && moment.actor === actor)
  const last = rowOf(end === -1 ? moments.length : end)
  return html`<div class="life actor-${actor % 6}" aria-hidden="true" style="grid-area: 2 / ${columnOf(actor)} / ${last}"></div>`
}

function renderMoment(timeline: Timeline, moment: Moment, index: number): Markup {
  const row = rowOf(index)
  switch (moment.kind) {
    case 'statement':
      return renderStatement(timeline, moment, row)
    case 'woke':
      return renderWaking(timeline, moment, row)
    case 'settled':
      return renderSettled(moment, row)
    case 'deadlock':
      return renderDeadlock(timeline, moment, row)
    case 'time':
      return html`<li class="across time" style="grid-row: ${row}">${moment.milliseconds} ms pass</li>`
  }
}

function renderStatement(timeline: Timeline, moment: Of<'statement'>, row: number): Markup {
  const { step, actor, statement, wait } = moment
  const { body, lock } = shortenParts(statement.sql, statement.args)
  const [verb = '', rest = ''] = splitVerb(body)
  const isMarked = timeline.marked.includes(step)
  const waits = wait && describeWait(wait, timeline.actors)
  const result = wait ? '' : describeResult(statement)
  const kinds = ['step', `actor-${actor % 6}`, isMarked && 'anomaly', wait && 'waiting', !wait && failed(statement.result) && 'failed']
  return html`${isMarked ? html`<li class="band" role="presentation" aria-hidden="true" style="grid-row: ${row}"></li>` : undefined}
    ${renderNumber(step, row, isMarked)}
    <li class="cell" style="grid-area: ${row} / ${columnOf(actor)}">
      <button
        type="button"
        class="${kinds.filter(Boolean).join(' ')}"
        data-step="${step}"
        aria-controls="detail-${step}"
        aria-label="${labelOf(timeline, moment, isMarked)}"
      >
        <code><b>${verb}</b>${rest && ` ${rest}`}${lock && html` <em>${lock}</em>`}</code>
        ${result && html`<span class="result">→ ${result}</span>`} ${waits && html`<span class="waits">${waits}</span>`}
      </button>
    </li>
    ${wait && renderBlockers(timeline, moment, wait, row)}`
}

const splitVerb = (body: string): string[] => {
  const space = body.indexOf(' ')
  return space === -1 ? [body] : [body.slice(0, space), body.slice(space + 1)]
}

function labelOf({ actors }: Timeline, { step, actor, statement, wait }: Of<'statement'>, isMarked: boolean): string {
  const parts = [
    `Step ${step}, ${actors[actor]!}: ${shortenSql(statement.sql, statement.args)}`,
    wait ? describeWait(wait, actors) : describeResult(statement),
    isMarked ? 'makes the anomaly' : '',
  ]
  return parts.filter((part) => part !== '').join('; ')
}

function renderNumber(step: number, row: number, isMarked: boolean): Markup {
  return html`<li class="number ${isMarked ? 'anomaly' : ''}" role="presentation" aria-hidden="true" style="grid-row: ${row}">
    <span>${step}</span>
  </li>`
}

/** The bar of the wait in the waiter's lane, and a tag in the lane of each actor that holds the lock. */
function renderBlockers({ actors, moments }: Timeline, moment: Of<'statement'>, wait: Wait, row: number): Markup {
  const end = moments.findIndex((other) => other.kind === 'woke' && other.statement === moment.statement)
  const last = end === -1 ? rowOf(moments.length) : rowOf(end)
  const column = columnOf(moment.actor)
  const label = end === -1 ? 'never granted' : 'waiting'
  const bar = html`<li class="bar" aria-hidden="true" role="presentation" style="grid-area: ${row + 1} / ${column} / ${last}">
    <span>${label}</span>
  </li>`
  const tags = wait.blockers.map(({ actor, since }) => {
    if (actor === undefined || actor === moment.actor) return undefined
    const text = `blocks ${actors[moment.actor]!}${since === undefined ? '' : `, since step ${since}`}`
    return renderTag(text, { from: actor, to: moment.actor, row, kind: 'blocks' })
  })
  return html`${last > row + 1 ? bar : undefined} ${tags}`
}

/** A note in one actor's lane with a line to another's. */
function renderTag(text: string, { from, to, row, kind }: { from: number; to: number; row: number; kind: string }): Markup {
  const [left, right] = from < to ? [from, to] : [to, from]
  const direction = from < to ? 'to-right' : 'to-left'
  // The line crosses the lanes between the two.
  const line =
    right - left > 1
      ? html`<li
          class="line"
          role="presentation"
          aria-hidden="true"
          style="grid-area: ${row} / ${columnOf(left + 1)} / auto / ${columnOf(right)}"
        ></li>`
      : undefined
  return html`<li class="tag ${kind} ${direction}" aria-hidden="true" role="presentation" style="grid-area: ${row} / ${columnOf(from)}">
      <span>${text}</span>
    </li>
    ${line}`
}

function renderWaking({ actors, moments }: Timeline, moment: Of<'woke'>, row: number): Markup {
  const { actor, statement, step } = moment
  const cause = moments.find((other) => other.kind === 'statement' && other.step === step)
  const by = cause?.kind === 'statement' && cause.actor !== actor ? cause.actor : undefined
  const result = describeResult(statement)
  return html`<li class="cell" style="grid-area: ${row} / ${columnOf(actor)}">
      <p class="woke ${failed(statement.result) ? 'failed' : ''}">
        ${describeWaking(moment)}${result && html` <span class="result">→ ${result}</span>`}
      </p>
    </li>
    ${by === undefined ? undefined : renderTag(`wakes ${actors[actor]!}`, { from: by, to: actor, row, kind: 'wakes' })}`
}

function renderSettled({ actor, error }: Of<'settled'>, row: number): Markup {
  const text = error === undefined ? 'returned' : `threw ${error}`
  return html`<li class="cell" style="grid-area: ${row} / ${columnOf(actor)}">
    <p class="settled ${error === undefined ? '' : 'failed'}">${text}</p>
  </li>`
}

function renderDeadlock({ actors, marked }: Timeline, { step, actors: cycle, victim }: Of<'deadlock'>, row: number): Markup {
  const names = cycle.map((actor) => actors[actor]!)
  return html`${renderNumber(step, row, marked.includes(step))}
    <li class="across deadlock" style="grid-row: ${row}">
      <strong>Deadlock</strong> ${list(names)} wait for each other; PostgreSQL ends ${actors[victim]}.
    </li>`
}
