import Table from 'cli-table3'
import { plain } from '../report.js'
import type { Line } from './lines.js'
import type { Summary } from './measure-line.js'
import type { Verdict } from './verdict.js'

const number = (value: number) => value.toLocaleString('en')

export function renderLine(line: Line, summaries: readonly Summary[]): string {
  const head = ['', line.axis, 'ms per operation', 'p50 ms', 'p99 ms', 'ops/s']
  const table = new Table({ head, colAligns: ['left', 'right', 'right', 'right', 'right', 'right'], ...plain })
  const contestants = [...new Set(summaries.map(({ contestant }) => contestant))]
  for (const { x, contestant, perOperation, p50, p99, rate } of contestants.flatMap((one) =>
    summaries.filter((each) => each.contestant === one),
  )) {
    table.push([contestant, number(x), perOperation.toFixed(3), p50.toFixed(2), p99.toFixed(2), rate.toFixed(0)])
  }
  return `${line.name}: ${line.fixed}\n${table.toString()}`
}

export function renderVerdicts(verdicts: readonly Verdict[]): string {
  const head = ['time per operation', '', 'from', 'to', 'ratio', '']
  const table = new Table({ head, colAligns: ['left', 'left', 'right', 'right', 'right', 'left'], ...plain })
  for (const { line, contestant, from, to, ratio, verdict } of verdicts) {
    table.push([line, contestant, number(from), number(to), ratio.toFixed(2), verdict])
  }
  return table.toString()
}
