import type { HistoryEvent, StepEvent } from '../explorer/history.js'
import { failed } from './describe-result.js'
import { endsTransaction, locksRows, tableOf } from './shorten-sql.js'

/** One line of a timeline: an event of the history, or the moment at which a lock wait ended. */
export type Moment =
  | {
      readonly kind: 'statement'
      readonly step: number
      readonly actor: number
      readonly statement: StepEvent
      readonly wait: Wait | undefined
    }
  | { readonly kind: 'woke'; readonly step: number; readonly actor: number; readonly statement: StepEvent }
  | Exclude<HistoryEvent, StepEvent>

export interface Wait {
  /** What the waiting statement is about. */
  readonly table: string | undefined
  readonly blockers: readonly Blocker[]
}

/** Whom a statement waits for. */
export interface Blocker {
  /** Undefined for a session that is none of the actors'. */
  readonly actor: number | undefined
  /** The statement that took the lock, where that is certain. */
  readonly since: number | undefined
}

/** The events in the order to show them in, with the end of each lock wait as a line of its own. */
export function toMoments(events: readonly HistoryEvent[]): Moment[] {
  const moments = events.map((event): Moment => (event.kind === 'step' ? toStatement(event, events) : event))
  for (const statement of endedWaits(events)) {
    const until = Math.max(statement.wait?.until ?? 0, statement.step)
    const after = moments.findLastIndex((moment) => causesWake(moment, statement) && moment.step <= until)
    moments.splice(after + 1, 0, { kind: 'woke', step: until, actor: statement.actor, statement })
  }
  return moments
}

/** Those that failed first: what they let go is what the others were waiting for. */
function endedWaits(events: readonly HistoryEvent[]): StepEvent[] {
  const ended = events.filter((event): event is StepEvent => event.kind === 'step' && event.wait?.until !== undefined)
  return [...ended.filter(({ result }) => failed(result)), ...ended.filter(({ result }) => !failed(result))]
}

/** What can have ended a wait, and the waits that ended with it before. */
function causesWake(moment: Moment, statement: StepEvent): boolean {
  if (moment.kind === 'settled') return false
  return moment.kind !== 'time' || moment.step < (statement.wait?.until ?? 0)
}

function toStatement(event: StepEvent, events: readonly HistoryEvent[]): Moment {
  const { step, actor, sql, wait } = event
  if (!wait) return { kind: 'statement', step, actor, statement: event, wait: undefined }
  const before = events.filter((other): other is StepEvent => other.kind === 'step' && other.step < step && !isWaitingAt(other, step))
  const table = tableOf(sql)
  const blockers = wait.for.map((blocker) => ({
    actor: blocker < 0 ? undefined : blocker,
    since: lockedSince(
      before.filter((other) => other.actor === blocker),
      table,
    ),
  }))
  return { kind: 'statement', step, actor, statement: event, wait: { table, blockers } }
}

/** Who only waits for the same lock is ahead in the queue, and holds nothing yet. */
const isWaitingAt = ({ wait }: StepEvent, step: number) => wait !== undefined && (wait.until ?? Infinity) >= step

/**
 * The step that took the lock: the only one that locked anything in the blocker's open transaction, or the
 * first to lock the waiter's table. The history does not hold PostgreSQL's own locks, so that with any other
 * table among several nothing is certain.
 */
function lockedSince(blockerSteps: readonly StepEvent[], table: string | undefined): number | undefined {
  const last = blockerSteps.at(-1)
  if (!last || endsTransaction(last.sql)) return undefined
  const open = last.transaction === undefined ? [last] : blockerSteps.filter(({ transaction }) => transaction === last.transaction)
  const locking = open.filter(({ sql, result }) => result?.error === undefined && locksRows(sql))
  const sameTable = locking.find(({ sql }) => tableOf(sql) === table)
  return (sameTable ?? (locking.length === 1 ? locking[0] : undefined))?.step
}
