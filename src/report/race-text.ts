import { countValues, type CountedValue } from './count-values.js'
import { formatDuration } from './format.js'
import { paint } from './paint.js'
import { inOneLine, lastLineOf } from './plain-text.js'
import { judgeRace, type RaceReport } from './race-report.js'

const MOST_VALUES = 5
const LONGEST = 60

export interface RaceTextOptions {
  /** Whether to colour the verdict. */
  readonly color: boolean
}

/** What a race came to, as a few lines for a person. */
export function renderRace(report: RaceReport, { color }: RaceTextOptions): string {
  const { requests, processes, concurrency, duration, fulfilled, unsettled, notStarted } = report
  const { ok, sentence } = judgeRace(report)
  const rows: [what: string, count: string, detail: string][] = [
    ['succeeded', String(fulfilled), describeValues(report)],
    ...Object.entries(report.errors).map(([key, count]): [string, string, string] => [key, String(count), describeError(report, key)]),
    ...(unsettled > 0 ? [['unsettled', String(unsettled), 'whether they took effect is unknown'] as [string, string, string]] : []),
    ...(notStarted > 0 ? [['not started', String(notStarted), ''] as [string, string, string]] : []),
  ]
  const width = Math.max('not started'.length, ...rows.map(([what]) => what.length))
  return [
    `${requests} requests from ${processes} ${processes === 1 ? 'process' : 'processes'}, ${concurrency} at a time, in ${formatDuration(duration)}`,
    '',
    ...rows.map(([what, count, detail]) => `  ${inOneLine(what).padEnd(width)}  ${count.padStart(7)}  ${detail}`.trimEnd()),
    `  ${'latency'.padEnd(width)}  ${describeLatency(report)}`,
    '',
    paint(color, ok ? 'green' : 'red', inOneLine(sentence)),
  ].join('\n')
}

function describeValues({ values }: RaceReport): string {
  if (values.length === 0) return ''
  const counted = countValues(values)
  if (counted.length === 1) return `each returned ${shorten(counted[0]!.text)}`
  const more = counted.length > MOST_VALUES ? ', …' : ''
  return `${counted.length} distinct values: ${counted.slice(0, MOST_VALUES).map(describeCounted).join(', ')}${more}`
}

const describeCounted = ({ text, count }: CountedValue) => `${shorten(text)}${count > 1 ? ` (${count} times)` : ''}`

function describeError({ errorSamples }: RaceReport, key: string): string {
  const sample = errorSamples[key]
  return sample ? inOneLine(`first in request ${sample.index}: ${sample.name}: ${lastLineOf(sample.message)}`) : ''
}

function describeLatency({ latency }: RaceReport): string {
  if (Number.isNaN(latency.max)) return 'no request was answered'
  const { p50, p95, p99, max } = latency
  return Object.entries({ p50, p95, p99, max })
    .map(([name, value]) => `${name} ${formatDuration(value)}`)
    .join(', ')
}

function shorten(text: string): string {
  const line = inOneLine(text)
  return line.length > LONGEST ? `${line.slice(0, LONGEST - 1)}…` : line
}
