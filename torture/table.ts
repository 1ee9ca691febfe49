import Table from 'cli-table3'
import { COLUMNS, describeControl, type FaultResult, WORDS } from './verdict.js'

const WIDEST = 36

/** The results for a terminal, each fault with what its controls found below it. */
export function renderTable(results: readonly FaultResult[]): string {
  const head = ['', 'fault', 'how', 'inflicted', 'operations', ...COLUMNS.map((column) => WORDS[column]), 's']
  const table = new Table({
    head: head.map((word) => word.replaceAll(' ', '\n')),
    colAligns: ['left', 'left', 'left', ...head.slice(3).map(() => 'right' as const)],
    colWidths: [null, WIDEST, WIDEST],
    wordWrap: true,
    style: { head: [], border: [] },
  })
  const below = (content: string) => table.push(['', { colSpan: head.length - 1, content }])
  for (const result of results) {
    const { fault, ran, unavailable, controls } = result
    table.push([fault.id, fault.title, fault.how, ...cellsOf(result)])
    if (unavailable !== undefined) below(`not run: ${unavailable}`)
    if (ran?.error !== undefined) below(`FAILED: ${ran.error}`)
    for (const note of ran?.outcome?.notes ?? []) below(note)
    for (const control of controls) below(describeControl(control))
  }
  return table.toString()
}

/** From the count of faults on; without numbers where nothing ran. */
export function cellsOf({ ran }: FaultResult): string[] {
  const outcome = ran?.outcome
  const count = (number: number | undefined) => (outcome ? (number ?? 0).toLocaleString('en') : '')
  const tally = COLUMNS.map((column) => count(outcome?.[column]))
  return [count(outcome?.faults), count(outcome?.operations), ...tally, ran ? ran.seconds.toFixed(1) : '']
}
