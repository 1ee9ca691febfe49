import { isRowLockError } from '../core/errors.js'
import { originalClient } from './transaction-client.js'

/** A deadlock that PostgreSQL ended by aborting a call of this client. */
export interface DeadlockRecord {
  /** When the call was told, by this process's clock. */
  readonly at: Date
  /** Of the transaction that was aborted. */
  readonly label?: string
  /** The model that the call was about. */
  readonly model?: string
  /** The row that the call asked for, as the caller named it. */
  readonly key?: unknown
  /** What PostgreSQL said about the sessions in the circle, where it said so. */
  readonly detail?: string
}

const MOST = 50

const histories = new WeakMap<object, readonly DeadlockRecord[]>()
// An error may pass several places on its way to the caller.
const recorded = new WeakSet<object>()

/** The last 50 deadlocks of a client and all that was made of it by `$extends`, the latest first. */
export function deadlocksOf(client: object): readonly DeadlockRecord[] {
  return histories.get(originalClient(client)) ?? []
}

/** Keeps `error` in mind if it is a deadlock, and was not there before. */
export function recordDeadlock(client: object, error: unknown, known: Pick<DeadlockRecord, 'label' | 'detail'> = {}): void {
  if (!isRowLockError(error) || error.code !== 'DEADLOCK' || recorded.has(error)) return
  recorded.add(error)
  const { model, key } = error
  const told = Object.entries({ ...known, model, key }).filter(([, value]) => value !== undefined)
  const record: DeadlockRecord = { at: new Date(), ...Object.fromEntries(told) }
  histories.set(originalClient(client), [record, ...deadlocksOf(client)].slice(0, MOST))
}
