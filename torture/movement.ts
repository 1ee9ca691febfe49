import { credit, withdraw } from 'rowlock/repositories'

/** One movement of a wallet. Its id is its amount in cents, so that its entry in the ledger says whose it is. */
export interface Movement {
  /** Unique in a run: from 1 up to 10^14. */
  readonly id: number
  readonly kind: 'credit' | 'withdraw'
  readonly userId: number
  /** An idempotency key. A movement without one is not made again when its outcome is unknown. */
  readonly key?: string
}

/** What every wallet of a run begins with: more than all of its withdrawals, and no movement's amount. */
export const OPENING = '100000000000000.00'

const PER_PROCESS = 10_000_000

/** The ids of one process's movements. A process that takes the place of a killed one gets a number of its own. */
export function* idsOf(process: number): Generator<number, never> {
  for (let id = process * PER_PROCESS + 1; ; id++) yield id
}

/** As decimal text, which is how PostgreSQL tells it. */
export function amountOf(id: number): string {
  return `${Math.floor(id / 100)}.${String(id % 100).padStart(2, '0')}`
}

/** Makes a movement, as an operation of its own on a client or inside the transaction `db`. */
export async function move(db: Parameters<typeof credit>[0], { id, kind, userId, key }: Movement) {
  const input = { userId, amount: amountOf(id), ...(key === undefined ? {} : { idempotencyKey: key }) }
  return kind === 'credit' ? credit(db, input) : withdraw(db, input)
}
