import wrapAnsi from 'wrap-ansi'
import { cutToWidth } from '../../report/cut-to-width.js'
import { PREPARED, titleOf } from '../../report/describe-lock.js'
import { formatDuration } from '../../report/format.js'
import type { PlacedSession } from '../../report/lock-forest.js'
import { renderTreeLine, renderWait, summarizeWaits } from '../../report/lock-tree-text.js'
import { paint } from '../../report/paint.js'
import { inLines, inOneLine } from '../../report/plain-text.js'
import { describeWaiter } from './waiter.js'
import { KEY_BINDINGS, selectedSession, type WatchState } from './watch-state.js'

export interface WatchScreenOptions {
  /** As a person calls it. */
  readonly database: string
  /** Between two readings, in milliseconds. */
  readonly interval: number
  readonly width: number
  readonly height: number
  readonly color: boolean
}

export interface WatchFrame {
  /** One for each row of the screen, none wider than it. */
  readonly lines: readonly string[]
  /** How many lines of the selected session can be scrolled away. */
  readonly maxScroll: number
}

/** The header, what is looked at, and the footer, on a screen of any size. */
export function renderWatch(state: WatchState, options: WatchScreenOptions): WatchFrame {
  const { width, height } = options
  const header = renderHeader(state, options)
  const footer = renderFooter(state, options)
  const rows = Math.max(0, height - header.length - footer.length)
  const { lines, maxScroll = 0 } = renderBody(state, options, rows)
  const filler = Array.from({ length: rows - lines.length }, () => '')
  return { lines: [...header, ...lines, ...filler, ...footer].slice(0, height).map((line) => cutToWidth(line, width)), maxScroll }
}

function renderHeader({ readAt, paused, failure, forest }: WatchState, { database, interval, color }: WatchScreenOptions): string[] {
  const facts = [
    paused && paint(color, ['bold', 'yellow'], 'paused'),
    paint(color, 'bold', database),
    readAt.toTimeString().slice(0, 8),
    paused ? undefined : `every ${interval / 1_000} s`,
  ]
  return [
    facts.filter(Boolean).join(' · '),
    summarizeWaits(forest),
    failure === undefined ? '' : paint(color, 'red', `Not live: ${inOneLine(failure)}`),
  ]
}

function renderFooter({ question, message }: WatchState, { width, color }: WatchScreenOptions): string[] {
  if (question) {
    const text = inOneLine(`Cancel the statement of ${describeWaiter(question)}? y/n`)
    return ['', ...wrap(text, width).map((line) => paint(color, ['bold', 'yellow'], line))]
  }
  if (message !== undefined) return ['', ...wrap(inOneLine(message), width)]
  const keys = KEY_BINDINGS.flatMap(({ label, short }) => (short === undefined ? [] : [`${paint(color, 'bold', label)} ${short}`]))
  return ['', keys.join('  ')]
}

interface Body {
  readonly lines: readonly string[]
  readonly maxScroll?: number
}

function renderBody(state: WatchState, options: WatchScreenOptions, rows: number): Body {
  const session = selectedSession(state)
  if (state.view === 'help') return { lines: renderHelp(options).slice(0, rows) }
  if (state.view === 'session' && session) return renderSession(session, state.scroll, options, rows)
  return { lines: renderTree(state, options, rows) }
}

/** As much of the tree as there is room for, with the selected session in its middle. */
function renderTree({ lines, selected }: WatchState, { color }: WatchScreenOptions, rows: number): string[] {
  const place = lines.findIndex(({ session }) => session.pid === selected)
  const first = Math.max(0, Math.min(place - Math.floor(rows / 2), lines.length - rows))
  return lines.slice(first, first + rows).map((line) => {
    const isSelected = line.session.pid === selected
    return `${isSelected ? paint(color, 'inverse', '>') : ' '} ${renderTreeLine(line, color)}`
  })
}

function renderSession(session: PlacedSession, scroll: number, { width, color }: WatchScreenOptions, rows: number): Body {
  const { state, user, transactionAge, waitsFor, query } = session
  const facts = [
    state,
    transactionAge === undefined ? '' : `transaction of ${formatDuration(transactionAge)}`,
    user && `user ${user}`,
    waitsFor.length > 0 ? `behind ${waitsFor.map((pid) => (pid === PREPARED ? 'a prepared transaction' : pid)).join(', ')}` : '',
  ]
  const lines = [
    paint(color, 'bold', inOneLine(titleOf(session))),
    inOneLine(facts.filter(Boolean).join(' · ')),
    renderWait(session, color),
    '',
    ...inLines(query),
  ].flatMap((line) => wrap(line, width))
  const maxScroll = Math.max(0, lines.length - rows)
  const first = Math.min(scroll, maxScroll)
  return { lines: lines.slice(first, first + rows), maxScroll }
}

function renderHelp({ width, color }: WatchScreenOptions): string[] {
  const labelWidth = Math.max(...KEY_BINDINGS.map(({ label }) => label.length)) + 2
  return KEY_BINDINGS.flatMap(({ label, meaning }) => {
    const [first = '', ...rest] = wrap(meaning, width - labelWidth)
    return [`${paint(color, 'bold', label.padEnd(labelWidth))}${first}`, ...rest.map((line) => ' '.repeat(labelWidth) + line)]
  })
}

/** Between words where that is possible, and within one that is longer than the line. */
const wrap = (text: string, width: number): string[] => wrapAnsi(text, Math.max(1, width), { hard: true, trim: false }).split('\n')
