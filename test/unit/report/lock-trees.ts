import type { DeadlockRecord, LockSession, LockTree, LockWait } from '../../../src/monitor/lock-tree-types.js'
import type { LockView } from '../../../src/report/lock-view.js'

export const READ_AT = new Date('2026-03-14T02:13:05.250Z')

/** What Prisma sends for a find by id. */
const finding = (lock: string): string =>
  `SELECT "public"."Wallet"."id" FROM "public"."Wallet" WHERE "public"."Wallet"."id" = $1 LIMIT $2 OFFSET $3 ${lock}`

/** A session that holds what others wait for. */
export const session = (pid: number, changes: Partial<LockSession> = {}): LockSession => ({
  pid,
  applicationName: 'api',
  user: 'app',
  state: 'active',
  query: finding('FOR NO KEY UPDATE'),
  transactionAge: 1_500,
  waiters: [],
  ...changes,
})

/** What a session waits for: `Wallet id = 7`, unless told otherwise. */
export const waitFor = (duration: number, changes: Partial<LockWait> = {}): LockWait => ({
  target: { kind: 'row', schema: 'public', table: 'wallets', model: 'Wallet', key: { id: 7 } },
  strength: 'forNoKeyUpdate',
  duration,
  ...changes,
})

export const tree = (roots: readonly LockSession[], deadlocks: readonly DeadlockRecord[] = []): LockTree => ({
  readAt: READ_AT,
  roots,
  deadlocks,
})

export const view = (changes: Partial<LockView> = {}): LockView => ({ tree: tree([]), age: 20, history: [], nextIn: 1_000, ...changes })

/** One idle transaction holds up a queue, and a running one another. */
export const busy: LockTree = tree(
  [
    session(4711, {
      label: 'checkout',
      state: 'idle in transaction',
      transactionAge: 134_000,
      waiters: [
        session(4720, {
          label: 'credit',
          wait: waitFor(14_200),
          transactionAge: 14_300,
          waiters: [
            session(4722, { label: 'withdraw', applicationName: 'worker', wait: waitFor(9_100), transactionAge: 9_200 }),
            session(4725, { wait: waitFor(3_050, { strength: 'forUpdate' }), transactionAge: 3_100, query: finding('FOR UPDATE') }),
          ],
        }),
      ],
    }),
    session(4802, {
      label: 'nightly report',
      applicationName: 'cron',
      transactionAge: 3_725_000,
      query: 'SELECT sum(amount) FROM "WalletEntry" GROUP BY "walletId"',
      waiters: [
        session(4810, {
          applicationName: 'migrate',
          user: 'owner',
          query: 'ALTER TABLE "WalletEntry" ADD COLUMN note text',
          wait: { target: { kind: 'table', schema: 'public', table: 'WalletEntry', model: 'WalletEntry' }, duration: 41_000 },
          transactionAge: 41_100,
        }),
      ],
    }),
  ],
  [
    {
      at: new Date('2026-03-14T02:11:47Z'),
      label: 'transfer',
      model: 'Wallet',
      key: { id: 9 },
      detail:
        'Process 4690 waits for ShareLock on transaction 7741; blocked by process 4688.\nProcess 4688 waits for ShareLock on transaction 7742; blocked by process 4690.',
    },
  ],
)

/** Sessions that wait for each other, as PostgreSQL has them for up to `deadlock_timeout`. */
export function circle(): LockTree {
  const first = session(1, { label: 'first', wait: waitFor(700) })
  const second = session(2, { label: 'second', wait: waitFor(650, { target: { kind: 'transaction' } }), waiters: [first] })
  return tree([{ ...first, waiters: [second] }])
}

/** A queue for one row, as PostgreSQL describes it: each waits for the holder's successor and for all in between. */
export function queue(length: number): LockTree {
  const queued: LockSession[] = []
  for (let place = length; place >= 1; place--)
    queued.unshift(session(100 + place, { wait: waitFor(1_000 * (length - place + 1)), waiters: [...queued] }))
  return tree([session(100, { state: 'idle in transaction', waiters: queued.slice(0, 1) })])
}

/** A minute of readings in which a queue grows. */
export const minute = Array.from({ length: 60 }, (_, index) => ({
  secondsAgo: 59 - index,
  waiters: index < 18 ? 0 : index < 45 ? 1 : index < 56 ? 3 : 4,
  longestWait: index < 18 ? 0 : (index - 17) * 976,
}))
