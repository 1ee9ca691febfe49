import type { Line } from './lines.js'
import type { Summary } from './measure-line.js'

/** More than this is growth, less than its inverse the opposite. */
const FLAT = 1.25

export interface Verdict {
  readonly line: string
  readonly contestant: string
  readonly from: number
  readonly to: number
  /** The time per operation at `to` to that at `from`. */
  readonly ratio: number
  readonly verdict: 'flat' | 'grows' | 'falls'
}

/** What becomes of the time per operation between the point where the line is saturated and its end. */
export function judgeLine(line: Line, summaries: readonly Pick<Summary, 'line' | 'x' | 'contestant' | 'perOperation'>[]): Verdict[] {
  const of = summaries.filter((one) => one.line === line.name)
  const to = Math.max(...of.map(({ x }) => x))
  const at = (contestant: string, x: number) => of.find((one) => one.contestant === contestant && one.x === x)!.perOperation
  return [...new Set(of.map(({ contestant }) => contestant))].map((contestant) => {
    // Judged as it is printed.
    const ratio = Number((at(contestant, to) / at(contestant, line.from)).toFixed(2))
    const verdict = ratio > FLAT ? 'grows' : ratio < 1 / FLAT ? 'falls' : 'flat'
    return { line: line.name, contestant, from: line.from, to, ratio, verdict }
  })
}
