import { propertyOf } from '../core/option-checks.js'
import type { RowUpdate } from '../sql/update-statement.js'
import { sendLocked } from './locked-find.js'
import type { QueryCall } from './query-call.js'

const ROW_UPDATE = Symbol.for('rowlock.rowUpdate')

type UpdatingLock = (() => void) & { readonly [ROW_UPDATE]?: RowUpdate }

/**
 * What a find takes as `lock` to update the rows it locks. A function, as Prisma hands functions on from one
 * query extension to the next as they are, and as no input from outside becomes one.
 */
export function toUpdatingLock(update: RowUpdate): () => void {
  return Object.assign(() => undefined, { [ROW_UPDATE]: update })
}

/** The update that {@link toUpdatingLock} has wrapped. */
export function updateOf(lock: unknown): RowUpdate | undefined {
  return typeof lock === 'function' ? (propertyOf(lock, ROW_UPDATE) as UpdatingLock[typeof ROW_UPDATE]) : undefined
}

/**
 * Runs a find that updates the rows it finds, in one statement: also outside a transaction, as the lock is
 * needed no longer than the statement runs.
 */
export function updatingFind(call: QueryCall, update: RowUpdate): Promise<unknown> {
  const { lock: _, ...args } = call.args
  return sendLocked(call, args, update.lock, update)
}
