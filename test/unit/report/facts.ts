import type { HistoryEvent, StepEvent } from '../../../src/explorer/history.js'
import type { Counterexample, ExploreCounts, ExploreFacts } from '../../../src/explorer/report-types.js'

export const TOKEN = 'rowlock1.W1siZmlyc3QiLCJzZWNvbmQiXSwiMCAxIDEgMCJd'

export const COUNTS: ExploreCounts = {
  schedules: 14,
  blocked: 6,
  deadlocked: 1,
  retried: 0,
  outcomes: 3,
  schedulesPerSecond: 160,
  duration: 88,
}

const COMMON = { counts: COUNTS, warnings: [], actors: ['first', 'second'] }

type Violated = Extract<ExploreFacts, { verdict: 'violated' }>

/** The facts of a violation; what a test is about goes into `counterexample`. */
export function violated(counterexample: Partial<Counterexample>): Violated {
  return {
    ...COMMON,
    verdict: 'violated',
    token: TOKEN,
    counterexample: {
      actors: COMMON.actors,
      events: [],
      preemptions: 1,
      reason: 'The invariant returned false.',
      expected: undefined,
      actual: undefined,
      outcomes: [],
      anomaly: { name: 'deadlock', sentence: 'They met.', prevention: 'Lock in one order.', steps: [] },
      ...counterexample,
    },
  }
}

export const held = (
  coverage: Extract<ExploreFacts, { verdict: 'held' }>['coverage'],
  counts: Partial<ExploreCounts> = {},
): ExploreFacts => ({
  ...COMMON,
  counts: { ...COUNTS, ...counts },
  verdict: 'held',
  coverage,
})

export const exhausted: ExploreFacts = {
  ...COMMON,
  verdict: 'exhausted',
  reason: 'The budget ended.',
  coverage: { kind: 'bounded', preemptions: 1 },
}

export const nondeterministic: ExploreFacts = {
  ...COMMON,
  verdict: 'nondeterministic',
  step: 3,
  first: '0 SELECT now() -> 1',
  second: '0 SELECT 2 -> 1',
  token: TOKEN,
}

/** One statement of a history, in a transaction numbered as its actor. */
export function step(number: number, actor: number, sql: string, more: Partial<StepEvent> = {}): StepEvent {
  return { kind: 'step', step: number, actor, sql, args: [], transaction: actor, result: { rows: 1 }, ...more }
}

const WALLET = '"public"."Wallet"'
const COLUMNS = `${WALLET}."id", ${WALLET}."userId", ${WALLET}."balance"`
const READ = `SELECT ${COLUMNS} FROM ${WALLET} WHERE (${WALLET}."userId" = $1 AND 1=1) LIMIT $2 OFFSET $3`
const WRITE = `UPDATE ${WALLET} SET "balance" = $1 WHERE (${WALLET}."id" = $2 AND 1=1) RETURNING ${COLUMNS}`

const read = (number: number, actor: number) =>
  step(number, actor, READ, { args: [1, '1', '0'], result: { rows: 1, columns: ['id', 'userId', 'balance'], values: [[1, 1, '100.00']] } })

const settled = (number: number, actor: number, error?: string): HistoryEvent => ({ kind: 'settled', step: number, actor, error })

/** Two withdrawals that read the same balance; the second write waits for the first one's row lock. */
export const lostUpdate = violated({
  events: [
    read(1, 0),
    read(2, 1),
    step(3, 1, WRITE, { args: ['90', 1] }),
    step(4, 0, WRITE, { args: ['70', 1], wait: { for: [1], until: 5 } }),
    step(5, 1, 'COMMIT', { result: { rows: 0 } }),
    settled(5, 1),
    step(6, 0, 'COMMIT', { result: { rows: 0 } }),
    settled(6, 0),
  ],
  reason: 'The balance is not the sum of the ledger.',
  expected: '60',
  actual: '70',
  outcomes: [
    { actor: 'first', status: 'fulfilled', text: 'fulfilled {"balance":"70"}' },
    { actor: 'second', status: 'fulfilled', text: 'fulfilled {"balance":"90"}' },
  ],
  anomaly: {
    name: 'lost update (P4)',
    sentence: 'first wrote Wallet at step 4 from what it had read at step 1, and did not see what second wrote at step 3.',
    prevention: "Lock the row when it is read: `lock: 'forNoKeyUpdate'` on the find of step 1.",
    steps: [1, 3, 4],
  },
})

/** Each waits for the other's row; PostgreSQL ends the first. */
export const deadlock = violated({
  events: [
    step(1, 0, WRITE, { args: ['1', 1] }),
    step(2, 1, WRITE, { args: ['1', 2] }),
    step(3, 1, WRITE, { args: ['2', 1], wait: { for: [0], until: 5 } }),
    step(4, 0, WRITE, { args: ['2', 2], wait: { for: [1], until: 5 }, result: { rows: 0, sqlState: '40P01', error: 'deadlock detected' } }),
    { kind: 'deadlock', step: 5, actors: [0, 1], victim: 0 },
    step(6, 0, 'ROLLBACK', { result: { rows: 0 } }),
    { kind: 'time', step: 6, milliseconds: 150 },
    settled(6, 0, 'DeadlockError'),
    step(7, 1, 'COMMIT', { result: { rows: 0 } }),
    settled(7, 1),
  ],
  outcomes: [
    { actor: 'first', status: 'rejected', text: 'rejected DeadlockError DEADLOCK' },
    { actor: 'second', status: 'fulfilled', text: 'fulfilled ' },
  ],
  anomaly: { name: 'deadlock', sentence: 'Each waited for the other.', prevention: 'Take the locks in one order.', steps: [5] },
})

export const HOSTILE = `</script><img src=x onerror="alert(1)">\u001b[31m\u0007`

/** Everything that comes from outside, hostile. */
export const hostile = {
  ...violated({
    actors: [HOSTILE, 'second\nline'],
    events: [
      step(1, 0, `SELECT '${HOSTILE}' FROM "${HOSTILE}" WHERE "x" = $1`, {
        args: [HOSTILE],
        result: { rows: 1, columns: [HOSTILE], values: [[HOSTILE]] },
      }),
      step(2, 1, `UPDATE "${HOSTILE}" SET "x" = $1`, { args: [HOSTILE], result: { rows: 0, sqlState: HOSTILE, error: HOSTILE } }),
      settled(2, 1, HOSTILE),
    ],
    reason: HOSTILE,
    expected: HOSTILE,
    actual: HOSTILE,
    outcomes: [{ actor: HOSTILE, status: 'rejected', text: HOSTILE }],
    anomaly: { name: HOSTILE, sentence: HOSTILE, prevention: HOSTILE, steps: [1] },
  }),
  warnings: [HOSTILE],
  token: HOSTILE,
} satisfies ExploreFacts
