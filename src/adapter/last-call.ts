import { isAnswered } from '../core/classify-error.js'
import { CommitNotSupportedError } from '../core/errors.js'
import type { CommitReport } from './piped-query.js'

/**
 * The call that is to be the last of its transaction: its one statement goes out with COMMIT behind it.
 *
 * ```
 * announced ──its statement reaches the adapter──▶ sent ──▶ committed
 *     └──refused, or nothing to send──▶ forgotten ◀──────────┤ its statement failed: COMMIT was skipped
 *                                                             └ COMMIT failed, or was not answered ──▶ unresolved
 * ```
 *
 * One that is forgotten leaves the transaction to be ended as ever.
 */
export interface LastCall {
  /** Whether Prisma fails the call when it finds no row: it looks only when the statement, and so COMMIT, is done. */
  readonly requiresRow: boolean
  /** Whether its statement has been handed to the driver. */
  sent: boolean
  /** Whether another call of the transaction has begun behind it: together they are not what the caller meant to commit. */
  disturbed: boolean
  /** Why nothing was sent: Prisma rewrites errors that carry a `code`. */
  refusal: Error | undefined
}

export const newCommitReport = (): CommitReport => ({ sent: false, reached: false, tag: undefined })

/** What is known of a COMMIT when the statement that it went out with has failed. */
export function commitAfterFailure(report: CommitReport, error: unknown): 'not sent' | 'sent' | 'done' {
  // The driver has failed to read the rows.
  if (report.tag === 'COMMIT') return 'done'
  // PostgreSQL answers in order, and skips the COMMIT behind a statement that it refuses.
  const skipped = !report.reached && isAnswered(error)
  return !report.sent || skipped ? 'not sent' : 'sent'
}

export function cameBehind(last: LastCall): CommitNotSupportedError {
  last.disturbed = true
  return new CommitNotSupportedError(
    'The call came behind one with `commit: true`, which must be the last of its transaction; it was not sent.',
  )
}

/** @throws {CommitNotSupportedError} for a statement that cannot be the only one of a write. */
export function assertIsWrite(sql: string): void {
  if (/^\s*(?:INSERT|UPDATE|DELETE)\s/.test(sql)) return
  throw new CommitNotSupportedError(
    'The call with `commit: true` takes several statements and cannot be sent with COMMIT; nothing of it was sent.',
  )
}

export function disturbed(): CommitNotSupportedError {
  return new CommitNotSupportedError(
    'The call with `commit: true` was not sent, as another call of its transaction was made before it could be: await every other call first.',
  )
}
