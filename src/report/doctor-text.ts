import type { Finding, FindingLevel } from '../doctor/finding.js'
import { paint } from './paint.js'
import { count, inOneLine, list, wrap } from './plain-text.js'

export interface DoctorTextOptions {
  /** Whether to colour the levels. */
  readonly color: boolean
}

/** The worst first. */
const LEVELS = ['problem', 'warning', 'note', 'ok'] as const satisfies readonly FindingLevel[]
const COLORS = { problem: 'red', warning: 'yellow', note: 'cyan', ok: 'green' } as const
const MARGIN = 9
const WIDTH = 100

/** How many findings there are of each level. */
export function countLevels(findings: readonly Finding[]): Readonly<Record<FindingLevel, number>> {
  const of = (level: FindingLevel) => findings.filter((finding) => finding.level === level).length
  return { problem: of('problem'), warning: of('warning'), note: of('note'), ok: of('ok') }
}

/** What a project was found to be like, the worst first, each with what to do; and the sum of it. */
export function renderDoctor(findings: readonly Finding[], { color }: DoctorTextOptions): string {
  const sorted = LEVELS.flatMap((level) => findings.filter((finding) => finding.level === level))
  return [...sorted.flatMap((finding) => renderFinding(finding, color)), '', renderSum(findings, color)].join('\n')
}

function renderFinding({ level, check, what, todo, docs }: Finding, color: boolean): string[] {
  const lines = [`${check}: ${what}`, ...(todo === undefined ? [] : [`→ ${todo}`, `  ${docs}`])].flatMap((line) => indent(inOneLine(line)))
  return lines.map((line, index) =>
    index === 0 ? `${paint(color, COLORS[level], level.padEnd(MARGIN))}${line}` : `${' '.repeat(MARGIN)}${line}`,
  )
}

const indent = (line: string): string[] => wrap(line, WIDTH - MARGIN)

function renderSum(findings: readonly Finding[], color: boolean): string {
  const { problem, warning, note, ok } = countLevels(findings)
  const bad = [problem > 0 && count(problem, 'problem'), warning > 0 && count(warning, 'warning'), note > 0 && count(note, 'note')]
  const words = bad.filter((one) => one !== false)
  const sum = words.length === 0 ? `Nothing to do; ${ok} looked at.` : `${list(words)}; ${ok} as they should be.`
  return paint(color, problem > 0 ? 'red' : 'green', sum)
}
