import { formatDuration } from './format.js'
import { html, type Markup } from './html.js'
import { HISTORY_SECONDS, type LockSample, type LockView } from './lock-view.js'

/** In the units of the SVG; a second is one wide. */
const HEIGHT = 100
/** That a second was read and nobody waited is to be seen as well. */
const SMALLEST = 2

/** The last minute as two charts, one below the other: numbers and times have no common scale. */
export function renderHistory({ history }: LockView): Markup {
  return html`<section class="card history" aria-labelledby="history-title">
    <h2 id="history-title">The last minute</h2>
    ${renderChart(history, { title: 'Sessions waiting', kind: 'number', valueOf: ({ waiters }) => waiters, format: String })}
    ${renderChart(history, { title: 'Longest wait', kind: 'time', valueOf: ({ longestWait }) => longestWait, format: formatDuration })}
    <p class="axis"><span>1 min ago</span><span>now</span></p>
  </section>`
}

interface Chart {
  readonly title: string
  readonly kind: string
  valueOf(sample: LockSample): number | undefined
  format(value: number): string
}

function renderChart(history: readonly LockSample[], { title, kind, valueOf, format }: Chart): Markup {
  const points = history.flatMap((sample) => {
    const value = valueOf(sample)
    return value === undefined ? [] : [{ second: Math.round(sample.secondsAgo), value }]
  })
  const highest = Math.max(0, ...points.map(({ value }) => value))
  const latest = points.findLast(({ second }) => second === 0)
  const now = latest === undefined ? '—' : latest.value === 0 ? '0' : format(latest.value)
  const most = highest > 0 ? `at most ${format(highest)}` : 'nobody waited'
  const bars = points.filter(({ second }) => second < HISTORY_SECONDS).map(({ second, value }) => renderBar(second, value, highest))
  return html`<figure class="chart ${kind}">
    <figcaption>${title} <b>${now}</b> <span>${most}</span></figcaption>
    <svg
      viewBox="0 0 ${HISTORY_SECONDS} ${HEIGHT}"
      preserveAspectRatio="none"
      role="img"
      aria-label="${title} in the last minute: ${now} now, ${most}"
    >
      ${bars}
    </svg>
  </figure>`
}

function renderBar(second: number, value: number, highest: number): Markup {
  const height = Math.max(SMALLEST, highest === 0 ? 0 : (value / highest) * HEIGHT)
  const x = HISTORY_SECONDS - 1 - second
  return html`<rect x="${x + 0.1}" y="${(HEIGHT - height).toFixed(1)}" width="0.8" height="${height.toFixed(1)}" />`
}
