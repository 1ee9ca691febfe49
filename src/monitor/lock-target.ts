import type { LockStrength } from '../core/lock-option.js'
import type { LockTarget, LockWait } from './lock-tree-types.js'
import type { ObservedWait } from './observed-sessions.js'
import { placeOf, type RowKey } from './row-keys.js'

/** What a client calls a table and its columns. */
export interface NamedTable {
  readonly model: string
  /** The fields by the columns that they are for. */
  readonly fields: ReadonlyMap<string, string>
}

/** Finds what a client calls a table; undefined when it has no model for it. */
export type NameTable = (schema: string, table: string) => NamedTable | undefined

/** The mode of the tuple lock that PostgreSQL takes for each strength (heapam.c, tupleLockExtraInfo), and UPDATE and DELETE, too. */
const STRENGTHS: Readonly<Record<string, LockStrength>> = {
  AccessShareLock: 'forKeyShare',
  RowShareLock: 'forShare',
  ExclusiveLock: 'forNoKeyUpdate',
  AccessExclusiveLock: 'forUpdate',
}

export function toLockWait(wait: ObservedWait, keys: ReadonlyMap<string, RowKey>, nameTable: NameTable): LockWait {
  const strength = wait.mode === null ? undefined : STRENGTHS[wait.mode]
  return { target: toTarget(wait, keys, nameTable), ...(strength && { strength }), duration: wait.duration }
}

function toTarget(wait: ObservedWait, keys: ReadonlyMap<string, RowKey>, nameTable: NameTable): LockTarget {
  const { type, schema, table, page } = wait
  if (schema !== null && table !== null) {
    const named = nameTable(schema, table)
    const place = { schema, table, ...(named && { model: named.model }) }
    if (page === null) return { kind: 'table', ...place }
    const key = keys.get(placeOf(wait))
    return { kind: 'row', ...place, ...(key && { key: byField(key, named) }) }
  }
  if (type === 'advisory') return { kind: 'advisory', key: toAdvisoryKey(wait) }
  return type === 'transactionid' || type === 'virtualxid' ? { kind: 'transaction' } : { kind: 'other', type }
}

const byField = (key: RowKey, named: NamedTable | undefined): RowKey =>
  Object.fromEntries(Object.entries(key).map(([column, value]) => [named?.fields.get(column) ?? column, value]))

/** pg_locks shows both halves of the key without their signs. */
function toAdvisoryKey({ classid, objid, objsubid }: ObservedWait): bigint | readonly [number, number] {
  const halves = [classid ?? 0, objid ?? 0] as const
  if (objsubid === 2) return [halves[0] | 0, halves[1] | 0]
  return BigInt.asIntN(64, (BigInt(halves[0]) << 32n) | BigInt(halves[1]))
}
