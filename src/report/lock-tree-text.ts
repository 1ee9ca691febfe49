import type { LockTree } from '../monitor/lock-tree-types.js'
import { cutToWidth } from './cut-to-width.js'
import { formatDuration } from './format.js'
import { describeTarget, titleOf } from './describe-lock.js'
import { type LockForest, type PlacedSession, toForest } from './lock-forest.js'
import { paint } from './paint.js'
import { inOneLine } from './plain-text.js'
import { shortenSql } from './shorten-sql.js'

export interface LockTreeTextOptions {
  /** The columns that a line may take. Default: as many as it needs. */
  readonly width?: number | undefined
  /** Default: false. */
  readonly color?: boolean
}

/** Who waits for whom as a tree, a line a session. */
export function renderLockTree(tree: LockTree, { width = Number.POSITIVE_INFINITY, color = false }: LockTreeTextOptions = {}): string {
  const forest = toForest(tree)
  if (forest.waiters === 0) return summarizeWaits(forest)
  const lines = toTreeLines(forest.roots).map((line) => cutToWidth(renderTreeLine(line, color), width))
  return [summarizeWaits(forest), '', ...lines].join('\n')
}

/** `2 sessions wait for a lock, the longest for 12.4 s.` */
export function summarizeWaits({ waiters, longestWait }: LockForest): string {
  if (waiters === 0) return 'Nobody waits for a lock.'
  return `${waiters === 1 ? '1 session waits' : `${waiters} sessions wait`} for a lock, the longest for ${formatDuration(longestWait)}.`
}

/** A session, and what joins it to the one that it waits for. */
export interface TreeLine {
  readonly branch: string
  readonly session: PlacedSession
}

/** The sessions from top to bottom. */
export const toTreeLines = (roots: readonly PlacedSession[]): readonly TreeLine[] =>
  roots.flatMap((session) => [{ branch: '', session }, ...below(session, '')])

function below({ waiters }: PlacedSession, indent: string): readonly TreeLine[] {
  return waiters.flatMap((session, index) => {
    const isLast = index === waiters.length - 1
    return [{ branch: `${indent}${isLast ? '└─ ' : '├─ '}`, session }, ...below(session, `${indent}${isLast ? '   ' : '│  '}`)]
  })
}

export function renderTreeLine({ branch, session }: TreeLine, color: boolean): string {
  const { state, transactionAge, wait, query } = session
  const parts = [
    wait ? plain(titleOf(session)) : paint(color, ['bold', 'magenta'], plain(titleOf(session))),
    wait ? renderWait(session, color) : plain(state),
    transactionAge === undefined ? '' : `transaction of ${formatDuration(transactionAge)}`,
    query === '' ? '' : paint(color, 'dim', plain(shortenSql(query, []))),
  ]
  return `${branch}${parts.filter((part) => part !== '').join(' · ')}`
}

/** `waits 12.4 s for Wallet id = 7 forNoKeyUpdate`; empty for who waits for nothing. */
export function renderWait({ wait }: PlacedSession, color: boolean): string {
  if (!wait) return ''
  const { target, strength, duration } = wait
  const text = plain(`waits ${formatDuration(duration)} for ${describeTarget(target)}${strength ? ` ${strength}` : ''}`)
  if (duration > RED_AFTER) return paint(color, 'red', text)
  return duration > YELLOW_AFTER ? paint(color, 'yellow', text) : text
}

// Of a wait, in milliseconds. PostgreSQL's own `deadlock_timeout`, after which it logs a wait, is a second.
const YELLOW_AFTER = 1_000
const RED_AFTER = 5_000

/** A label or a query may have any character in it, also one that a terminal obeys. */
const plain = inOneLine
