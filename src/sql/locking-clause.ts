import type { LockStrength, RowLock } from '../core/lock-option.js'

const STRENGTH_SQL: Record<LockStrength, string> = {
  forUpdate: 'FOR UPDATE',
  forNoKeyUpdate: 'FOR NO KEY UPDATE',
  forShare: 'FOR SHARE',
  forKeyShare: 'FOR KEY SHARE',
}

/**
 * The locking clause for one table of a SELECT. `tableAlias` is the name by which the statement knows
 * the table, already quoted; PostgreSQL does not take a schema-qualified name here.
 */
export function lockingClause(lock: RowLock, tableAlias: string): string {
  const clause = `${STRENGTH_SQL[lock.strength]} OF ${tableAlias}`
  switch (lock.wait.kind) {
    case 'nowait':
      return `${clause} NOWAIT`
    case 'skipLocked':
      return `${clause} SKIP LOCKED`
    default:
      return clause
  }
}
