import type { LockTree } from '../monitor/lock-tree-types.js'
import { formatDuration } from './format.js'
import { describeTarget, nameOfSession, PREPARED } from './describe-lock.js'
import { type PlacedSession, toForest } from './lock-forest.js'
import { inOneLine } from './plain-text.js'
import { shortenSql } from './shorten-sql.js'

/** Who waits for whom as a tree, a line a session, none longer than `width` characters. */
export function renderLockTree(tree: LockTree, width = Number.POSITIVE_INFINITY): string {
  const { roots, waiters, longestWait } = toForest(tree)
  if (waiters === 0) return 'Nobody waits for a lock.'
  const summary = `${waiters === 1 ? '1 session waits' : `${waiters} sessions wait`} for a lock, the longest for ${formatDuration(longestWait)}.`
  const lines = roots.flatMap((root) => [describeSession(root), ...below(root, '')])
  return [summary, '', ...lines.map((line) => cut(line, width))].join('\n')
}

function below({ waiters }: PlacedSession, indent: string): string[] {
  return waiters.flatMap((waiter, index) => {
    const isLast = index === waiters.length - 1
    return [`${indent}${isLast ? '└─ ' : '├─ '}${describeSession(waiter)}`, ...below(waiter, `${indent}${isLast ? '   ' : '│  '}`)]
  })
}

function describeSession(session: PlacedSession): string {
  const { pid, state, transactionAge, wait, query } = session
  const parts = [
    pid === PREPARED ? 'prepared transaction' : `${pid} ${nameOfSession(session)}`,
    wait && `waits ${formatDuration(wait.duration)} for ${describeTarget(wait.target)}${wait.strength ? ` ${wait.strength}` : ''}`,
    wait ? undefined : state,
    transactionAge === undefined ? undefined : `transaction of ${formatDuration(transactionAge)}`,
    query === '' ? undefined : shortenSql(query, []),
  ]
  // A label or a query may have any character in it, also one that a terminal obeys.
  return inOneLine(parts.filter((part) => part !== undefined).join(' · '))
}

const cut = (line: string, width: number) => (line.length > width ? `${line.slice(0, width - 1)}…` : line)
