import Table from 'cli-table3'
import { isRight, judgeDemo, type DemoResult, type DemoScenarioResult, type DemoVersionResult } from './demo-result.js'
import { formatDuration, formatLoss } from './format.js'

export interface RenderOptions {
  /** Whether to colour the verdicts. */
  readonly color: boolean
}

type Paint = (color: 'red' | 'green', text: string) => string

// The headings fix the widths: a table of 97 columns.
const COLUMNS = [
  { heading: 'version', width: 9 },
  { heading: 'attempts', width: 10 },
  { heading: 'succeeded', width: 11 },
  { heading: 'expected', width: 10 },
  { heading: 'money or stock lost', width: 21 },
  { heading: 'time', width: 10 },
  { heading: 'deadlocks retried', width: 11 },
  { heading: 'result', width: 8 },
] as const

/** What a demo ends with: a table of all races, what went wrong in them, and what it means. */
export function renderDemo(result: DemoResult, { color }: RenderOptions): string {
  const paint: Paint = color ? (name, text) => `\u001B[${name === 'red' ? 31 : 32}m${text}\u001B[39m` : (_, text) => text
  return [renderTable(result, paint), ...renderFindings(result), '', ...renderVerdict(result, paint)].join('\n')
}

function renderTable({ scenarios }: DemoResult, paint: Paint): string {
  const table = new Table({
    head: COLUMNS.map(({ heading }) => heading),
    colWidths: COLUMNS.map(({ width }) => width),
    colAligns: COLUMNS.map(({ heading }) => (heading === 'version' || heading === 'result' ? 'left' : 'right')),
    wordWrap: true,
    // Its own colours do not ask where they are printed to.
    style: { head: [], border: [], compact: true },
  })
  for (const [index, scenario] of scenarios.entries()) {
    const about = `${index + 1}. ${scenario.title}: ${scenario.raced} ${scenario.rule}`
    // A line of its own apart from the scenario before; borders around every row would drown the numbers.
    const gap = index === 0 ? '' : '\n'
    table.push([{ colSpan: COLUMNS.length, content: gap + about, hAlign: 'left' }])
    for (const version of scenario.versions) table.push(renderRow(version, paint))
  }
  return table.toString()
}

function renderRow(result: DemoVersionResult, paint: Paint): string[] {
  const { version, attempts, succeeded, expected, lost, duration, deadlocksRetried } = result
  const right = isRight(result)
  return [
    version,
    String(attempts),
    String(succeeded),
    String(expected),
    formatLoss(lost),
    formatDuration(duration),
    String(deadlocksRetried),
    paint(right ? 'green' : 'red', right ? 'right' : 'wrong'),
  ]
}

function renderFindings({ scenarios }: DemoResult): string[] {
  const lines = scenarios.flatMap(renderScenarioFindings)
  return lines.length === 0 ? [] : ['', 'What went wrong:', ...lines]
}

function renderScenarioFindings({ title, versions }: DemoScenarioResult): string[] {
  return versions.flatMap(({ version, findings }) => findings.map((finding) => `  ${title}, ${version}: ${finding}`))
}

function renderVerdict(result: DemoResult, paint: Paint): string[] {
  const { ok, failures } = judgeDemo(result)
  const took = `${formatDuration(result.duration)} on PostgreSQL (${result.database}).`
  if (ok) return [paint('green', 'Every naive version was wrong, and every version with row locks was right.'), took]
  return [paint('red', 'The demo failed.'), ...failures.map((failure) => `  ${failure}`), took]
}
