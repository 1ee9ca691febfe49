import { isRowLockError, type LockBlocker } from '../core/errors.js'
import { propertyOf } from '../core/option-checks.js'
import type { LockEventStrength, RowLockEvent } from './row-lock-event.js'
import { withoutLiterals } from './without-literals.js'

/** Structurally OpenTelemetry's own: that is not there for everyone. */
export type Attributes = Record<string, string | number | string[] | number[] | undefined>

/**
 * Names of the stable semantic conventions for databases, and our own under `rowlock`. No keys of rows and no
 * messages, which may contain them.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/database/postgresql/
 */
export const SYSTEM: Attributes = { 'db.system.name': 'postgresql' }

interface LockFacts {
  readonly model?: string | undefined
  readonly table?: string | undefined
  readonly strength?: LockEventStrength | undefined
}

export function lockAttributes({ model, table, strength }: LockFacts): Attributes {
  return definedOnly({ ...SYSTEM, 'db.collection.name': table, 'rowlock.model': model, 'rowlock.lock.strength': strength })
}

/** `error.type` is the SQLSTATE, as the conventions want it, and the error's class where there is none. */
export function errorAttributes(error: unknown): Attributes {
  const { code, sqlState } = isRowLockError(error) ? error : { code: undefined, sqlState: undefined }
  return definedOnly({
    'error.type': sqlState ?? nameOf(error),
    'db.response.status_code': sqlState,
    'rowlock.error.code': code,
  })
}

function nameOf(error: unknown): string {
  const name = error instanceof Error ? propertyOf(error, 'name') : undefined
  return typeof name === 'string' ? name : '_OTHER'
}

/** One element a session, in the same order. */
export function blockerAttributes(blockers: readonly LockBlocker[]): Attributes {
  if (blockers.length === 0) return {}
  return {
    'rowlock.blocker.pid': blockers.map(({ pid }) => pid),
    'rowlock.blocker.application_name': blockers.map(({ applicationName }) => applicationName ?? ''),
    'rowlock.blocker.state': blockers.map(({ state }) => state ?? ''),
    'rowlock.blocker.query': blockers.map(({ query }) => withoutLiterals(query ?? '')),
  }
}

/** What stands on the span of a transaction, or of whoever has called, as an event of it; undefined for what has spans of its own. */
export function spanEventAttributes(event: RowLockEvent): Attributes | undefined {
  switch (event.type) {
    case 'lock.slow':
      return { ...lockAttributes(event), 'rowlock.lock.wait.duration': event.waited / 1_000, ...blockerAttributes(event.blockers) }
    case 'transaction.retried':
      return {
        ...errorAttributes(event.error),
        'rowlock.transaction.attempt': event.attempt,
        'rowlock.transaction.delay': event.delay / 1_000,
      }
    case 'gate.queued':
      return { 'rowlock.gate.position': event.position }
    default:
      return undefined
  }
}

export function definedOnly(attributes: Attributes): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined))
}
