import { describeKey } from '../core/classify-error.js'
import { isObject } from '../core/option-checks.js'
import type { LockSession, LockTarget } from '../monitor/lock-tree-types.js'

const MAX_VALUE_LENGTH = 64

/** `Wallet id = 7`, `a row of Wallet`, `advisory lock 42`: what a session waits for, in a few words. */
export function describeTarget(target: LockTarget): string {
  switch (target.kind) {
    case 'row':
      return target.key ? `${nameOf(target)} ${describeRowKey(target.key)}` : `a row of ${nameOf(target)}`
    case 'table':
      return `the table ${nameOf(target)}`
    case 'advisory':
      return `advisory lock ${typeof target.key === 'bigint' ? String(target.key) : `(${target.key.join(', ')})`}`
    case 'transaction':
      return 'the end of the transaction'
    case 'other':
      return `a lock of type ${target.type}`
  }
}

function nameOf({ schema, table, model }: Extract<LockTarget, { kind: 'row' | 'table' }>): string {
  if (model !== undefined) return model
  return schema === 'public' ? table : `${schema}.${table}`
}

/** `id = 7`, or `userId = 1, day = '2026-07-29'`; empty for no key. */
export function describeRowKey(key: unknown): string {
  if (key === undefined) return ''
  if (!isObject(key) || key instanceof Date || key instanceof Uint8Array) return describeValue(key)
  return Object.entries(key)
    .map(([field, value]) => `${field} = ${describeValue(value)}`)
    .join(', ')
}

/** Whole where that is possible: somebody is going to look the row up by it. */
function describeValue(value: unknown): string {
  if (typeof value === 'string') return `'${cut(value.replaceAll("'", "''"))}'`
  if (value instanceof Date) return `'${value.toISOString()}'`
  if (value instanceof Uint8Array) return `'${cut(`\\x${Buffer.from(value).toString('hex')}`)}'`
  if (typeof value === 'object' && value !== null) return describeKey(value).trim()
  return cut(String(value))
}

const cut = (text: string): string => (text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH - 1)}…` : text)

/** What a person knows a session by. */
export function nameOfSession({ pid, label, applicationName }: Pick<LockSession, 'pid' | 'label' | 'applicationName'>): string {
  if (pid === PREPARED) return 'prepared transaction'
  return label ?? (applicationName || `session ${pid}`)
}

/** `3107 worker` */
export const titleOf = (session: Pick<LockSession, 'pid' | 'label' | 'applicationName'>): string =>
  session.pid === PREPARED ? nameOfSession(session) : `${session.pid} ${nameOfSession(session)}`

/** `pg_blocking_pids` says 0 for a transaction that was prepared for two-phase commit: no session has it. */
export const PREPARED = 0
