import { readLabel } from '../sql/transaction-label.js'
import { buildForest } from './build-forest.js'
import { type NameTable, toLockWait } from './lock-target.js'
import { LOCK_TREE } from './lock-tree-statement.js'
import type { LockSession, LockTree } from './lock-tree-types.js'
import type { Observed, ObservedSession } from './observed-sessions.js'
import { readRowKeys, type RowKey } from './row-keys.js'
import type { RunQuery } from './run-query.js'

const NAMELESS: NameTable = () => undefined
// What PostgreSQL itself shows in place of the query of somebody else's session.
const HIDDEN = '<insufficient privilege>'

/**
 * Reads who waits for whom in the database that `run` asks: one query, and one more for each table of which rows are waited
 * for. Without `nameTable` there are no models, and keys are by column.
 */
export async function readLockTree(run: RunQuery, nameTable: NameTable = NAMELESS): Promise<Omit<LockTree, 'deadlocks'>> {
  const [row] = await run(LOCK_TREE)
  const observed = JSON.parse(row!.json) as Observed
  const keys = await readRowKeys(run, observed)
  const sessions = observed.sessions.map((session) => ({
    session: toSession(session, keys, nameTable),
    blockers: session.blockers ?? [],
  }))
  return { readAt: new Date(observed.readAt), roots: buildForest(sessions) }
}

function toSession(observed: ObservedSession, keys: ReadonlyMap<string, RowKey>, nameTable: NameTable): Omit<LockSession, 'waiters'> {
  const { pid, applicationName, user, state, query, transactionAge, wait } = observed
  return {
    pid,
    ...readLabel(applicationName ?? ''),
    user: user ?? '',
    state: state ?? HIDDEN,
    query: query ?? '',
    ...(transactionAge !== null && { transactionAge }),
    ...(wait && { wait: toLockWait(wait, keys, nameTable) }),
  }
}
