import type { IsolationLevel } from 'rowlock'

export const LEVELS = ['ReadCommitted', 'RepeatableRead', 'Serializable'] as const satisfies readonly IsolationLevel[]
export type Level = (typeof LEVELS)[number]

export interface Item {
  readonly id: number
  readonly value: number
}

/** What a transaction of an anomaly may do, to the table `item` of two rows: (1, 10) and (2, 20). */
export interface Statements {
  read(where?: string): Promise<Item[]>
  /** Returns how many rows were written. */
  write(sql: string): Promise<number>
  /** Ends the transaction by an error of its own. */
  abort(): never
}

/** What a run has left. */
export interface Result {
  /** What each committed transaction returned; undefined for one that was rolled back. */
  readonly returned: (transaction: string) => any
  readonly rows: readonly Item[]
}

/** One test of the Hermitage suite. */
export interface Anomaly {
  readonly name: string
  /** What the transactions see or leave when it happens. */
  readonly title: string
  /** The levels at which PostgreSQL lets it happen. */
  readonly allowedAt: readonly Level[]
  readonly transactions: Readonly<Record<string, (sql: Statements) => Promise<unknown>>>
  /** True for a run that shows the anomaly. */
  readonly happened: (result: Result) => boolean
}

export class Aborted extends Error {}

/** The value of the item `id`, among those that were read. */
export const valueOf = (items: readonly Item[], id: number): number | undefined => items.find((item) => item.id === id)?.value
