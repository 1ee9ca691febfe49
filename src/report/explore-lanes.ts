import Table, { type Cell } from 'cli-table3'
import type { StepEvent } from '../explorer/history.js'
import type { Counterexample } from '../explorer/report-types.js'
import { describeResult, failed } from './describe-result.js'
import { type Blocker, type Moment, toMoments, type Wait } from './explore-timeline.js'
import { inOneLine, list } from './plain-text.js'
import { shortenSql } from './shorten-sql.js'

/** In characters; more than two actors make the table wider rather than unreadable. */
const TABLE_WIDTH = 106
const MIN_LANE_WIDTH = 34
const STEP_WIDTH = 7

/** What the rows of one table share. */
interface Lanes {
  readonly names: readonly string[]
  readonly width: number
  /** The steps that make the anomaly. */
  readonly marked: readonly number[]
  /** The actors that wait for a lock at this row. */
  readonly waiting: Set<number>
}

type Statement = Extract<Moment, { kind: 'statement' }>

/** A counterexample with one column an actor and one line an event. */
export function renderLanes({ actors, events, anomaly }: Counterexample): string {
  const names = actors.map(inOneLine)
  const width = Math.max(MIN_LANE_WIDTH, Math.floor((TABLE_WIDTH - STEP_WIDTH) / actors.length) - 1)
  const table = new Table({
    head: ['step', ...names],
    colWidths: [STEP_WIDTH, ...names.map(() => width)],
    wordWrap: true,
    // A report goes into logs and assertion messages: no colours, and no lines between the rows.
    style: { head: [], border: [], 'padding-left': 1, 'padding-right': 1 },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  })
  // Cells have a space on either side.
  const lanes: Lanes = { names, width: width - 2, marked: anomaly.steps, waiting: new Set() }
  for (const moment of toMoments(events)) {
    table.push(toRow(moment, lanes))
    noteWait(moment, lanes.waiting)
  }
  return underlineHead(table.toString())
}

/** Without lines between the rows the table has none under its head either. */
function underlineHead(text: string): string {
  const [top = '', head = '', ...rest] = text.split('\n')
  return [top, head, top.replace('┌', '├').replaceAll('┬', '┼').replace('┐', '┤'), ...rest].join('\n')
}

function noteWait(moment: Moment, waiting: Set<number>): void {
  if (moment.kind === 'statement' && moment.wait) waiting.add(moment.actor)
  if (moment.kind === 'woke') waiting.delete(moment.actor)
}

function toRow(moment: Moment, { names, width, waiting, marked }: Lanes): Cell[] {
  const lanes = names.map((_, actor) => laneOf(moment, actor, names, width) ?? (waiting.has(actor) ? '┆' : ''))
  return [stepOf(moment, marked), ...lanes]
}

function stepOf(moment: Moment, marked: readonly number[]): string {
  if (moment.kind !== 'statement' && moment.kind !== 'deadlock') return ''
  return `${marked.includes(moment.step) ? '►' : ' '}${String(moment.step).padStart(3)}`
}

function laneOf(moment: Moment, actor: number, names: readonly string[], width: number): string | undefined {
  if (moment.kind === 'time') return `~ ${moment.milliseconds} ms pass`
  if (moment.kind === 'deadlock')
    return moment.actors.includes(actor) ? `deadlock: ${actor === moment.victim ? 'ended as its victim' : 'goes on'}` : undefined
  if (moment.actor !== actor) return undefined
  if (moment.kind === 'settled') return moment.error === undefined ? '■ returned' : `■ threw ${inOneLine(moment.error)}`
  if (moment.kind === 'woke') return withResult(`└ ${describeWaking(moment)}`, moment.statement, width)
  return describeStatement(moment, names, width)
}

function describeStatement({ statement, wait }: Statement, names: readonly string[], width: number): string {
  const sql = shortenSql(statement.sql, statement.args)
  return wait ? `${sql}\n┌ ${describeWait(wait, names)}` : withResult(sql, statement, width)
}

/** The result on a line of its own unless all of it fits on one. */
function withResult(text: string, statement: StepEvent, width: number): string {
  const result = describeResult(statement)
  if (result === '') return text
  return `${text}${text.length + result.length + 3 > width ? '\n' : ' '}→ ${result}`
}

/** How a lock wait ended. */
export const describeWaking = ({ statement, step }: Extract<Moment, { kind: 'woke' }>): string =>
  `${failed(statement.result) ? 'failed' : 'woke'} at step ${step}`

/** Whom a statement waits for, over what, and since when that lock is held. */
export function describeWait({ table, blockers }: Wait, names: readonly string[]): string {
  const on = table === undefined ? '' : ` on ${table}`
  return `waits for ${list(blockers.map((blocker) => describeBlocker(blocker, names)))}${on}`
}

function describeBlocker({ actor, since }: Blocker, names: readonly string[]): string {
  if (actor === undefined) return 'another session'
  return `${names[actor]!}${since === undefined ? '' : ` (lock of step ${since})`}`
}
