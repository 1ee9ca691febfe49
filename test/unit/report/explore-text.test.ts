import { expect, test } from 'vitest'
import type { Coverage } from '../../../src/explorer/report-types.js'
import { renderExploreText } from '../../../src/report/explore-text.js'
import { deadlock, exhausted, held, hostile, lostUpdate, nondeterministic, step, TOKEN, violated } from './facts.js'

const firstLine = (text: string) => text.split('\n')[0]

test.each<[Coverage, number, string]>([
  [{ kind: 'complete' }, 14, 'held in all 14 schedules (complete)'],
  [{ kind: 'complete' }, 1, 'held in the only schedule (complete)'],
  [{ kind: 'bounded', preemptions: 2 }, 57, 'held in 57 schedules, every one with at most 2 preemptions'],
  [{ kind: 'bounded', preemptions: 0 }, 2, 'held in 2 schedules, every one with at most 0 preemptions'],
  [
    { kind: 'sampled', seed: 7, schedules: 300, preemptions: 1 },
    357,
    'held in 357 schedules: every one with at most 1 preemption, and 300 random ones of seed 7',
  ],
  [{ kind: 'sampled', seed: 7, schedules: 1, preemptions: 0 }, 1, 'held in 1 schedule, sampled with seed 7'],
])('a verdict says how much of all schedules it rests on: %o', (coverage, schedules, expected) => {
  expect(firstLine(renderExploreText(held(coverage, { schedules })))).toBe(expected)
})

test('a verdict comes with its counts, its warnings and what was not covered', () => {
  const text = renderExploreText({ ...held({ kind: 'complete' }), warnings: ['No schedule ever waited for a lock.'] })
  expect(text).toBe(`held in all 14 schedules (complete)
14 schedules, 6 with a block, 1 with a deadlock, 0 with a retry, 3 distinct outcomes, 160 schedules per second
warning   No schedule ever waited for a lock.

Explored statement by statement on one PostgreSQL server; other versions and faults of the network are not covered.
`)
})

test('an exhausted search says what it did cover', () => {
  expect(firstLine(renderExploreText(exhausted))).toBe(
    'exhausted: nothing broke in 14 schedules, among them every one with at most 1 preemption',
  )
  expect(firstLine(renderExploreText({ ...exhausted, coverage: undefined } as typeof exhausted))).toBe(
    'exhausted: nothing broke in 14 schedules, which cover no bound completely',
  )
})

test('a nondeterministic run shows the step and both values', () => {
  const text = renderExploreText(nondeterministic)
  expect(firstLine(text)).toBe('nondeterministic: the same schedule ran in two ways, from step 3')
  expect(text).toContain('first run 0 SELECT now() -> 1\nthen      0 SELECT 2 -> 1\n')
  expect(text).toContain(`--replay ${TOKEN}`)
})

test('a lost update is shown in lanes, with its lock wait, its name, its prevention and a test to paste', () => {
  expect(renderExploreText(lostUpdate)).toBe(`violated: lost update (P4), with 1 preemption
14 schedules, 6 with a block, 1 with a deadlock, 0 with a retry, 3 distinct outcomes, 160 schedules per second

┌───────┬────────────────────────────────────────────────┬────────────────────────────────────────────────┐
│ step  │ first                                          │ second                                         │
├───────┼────────────────────────────────────────────────┼────────────────────────────────────────────────┤
│ ►  1  │ SELECT Wallet WHERE userId = 1                 │                                                │
│       │ → 1 row: balance 100.00                        │                                                │
│    2  │                                                │ SELECT Wallet WHERE userId = 1                 │
│       │                                                │ → 1 row: balance 100.00                        │
│ ►  3  │                                                │ UPDATE Wallet SET balance = 90 WHERE id = 1    │
│       │                                                │ → 1 row                                        │
│ ►  4  │ UPDATE Wallet SET balance = 70 WHERE id = 1    │                                                │
│       │ ┌ waits for second (lock of step 3) on Wallet  │                                                │
│    5  │ ┆                                              │ COMMIT                                         │
│       │ └ woke at step 5 → 1 row                       │                                                │
│       │                                                │ ■ returned                                     │
│    6  │ COMMIT                                         │                                                │
│       │ ■ returned                                     │                                                │
└───────┴────────────────────────────────────────────────┴────────────────────────────────────────────────┘

broken    The balance is not the sum of the ledger.
expected  60
actual    70

anomaly   lost update (P4)
          first wrote Wallet at step 4 from what it had read at step 1, and did not see what second wrote
          at step 3.
prevent   Lock the row when it is read: \`lock: 'forNoKeyUpdate'\` on the find of step 1.

outcomes  first returned {"balance":"70"}
          second returned {"balance":"90"}

token     ${TOKEN}
again     \`replay(token, options)\`, or
          npx rowlock explore file.ts --replay ${TOKEN}

As a test, with the options of this exploration:
  import { expectHolds, replay } from 'rowlock/testing'
  import { test } from 'vitest'

  test('first and second: no lost update (P4)', async () => {
    expectHolds(await replay('${TOKEN}', options))
  })
`)
})

test('a deadlock is shown with its victim, the SQLSTATE, the time that passed and who goes on', () => {
  const text = renderExploreText(deadlock)
  expect(text).toContain(`
│ ►  5  │ deadlock: ended as its victim                  │ deadlock: goes on                              │
│       │ └ failed at step 5 → 40P01 deadlock detected   │ ┆                                              │
│       │                                                │ └ woke at step 5 → 1 row                       │
│    6  │ ROLLBACK                                       │                                                │
│       │ ~ 150 ms pass                                  │ ~ 150 ms pass                                  │
│       │ ■ threw DeadlockError                          │                                                │
`)
})

test('a wait for a session that is no actor, and one that nothing ends, are shown as such', () => {
  const text = renderExploreText(
    violated({ events: [step(1, 0, 'SELECT 1 FROM "Wallet" FOR UPDATE', { wait: { for: [-1] }, result: undefined })] }),
  )
  expect(text).toContain('│ ┌ waits for another session on Wallet')
  expect(text).not.toContain('woke')
})

test('a lock is dated only where it is certain which statement took it', () => {
  const waiting = step(4, 1, 'INSERT INTO "SignIn" VALUES (1)', { wait: { for: [0], until: 5 } })
  const locks = [step(1, 0, 'SELECT 1 FROM "User" FOR UPDATE'), step(2, 0, 'UPDATE "Wallet" SET "balance" = 1')]
  const waitOf = (...before: typeof locks) =>
    /waits for [^│]*/.exec(renderExploreText(violated({ events: [...before, waiting] })))![0].trim()
  expect(waitOf(locks[0]!)).toBe('waits for first (lock of step 1) on SignIn')
  expect(waitOf(...locks)).toBe('waits for first on SignIn')
  expect(waitOf(locks[0]!, step(2, 0, 'COMMIT'))).toBe('waits for first on SignIn')
  expect(waitOf(...locks, step(3, 0, 'INSERT INTO "SignIn" VALUES (1)'))).toBe('waits for first (lock of step 3) on SignIn')
})

test('what an operation read or threw neither colours the terminal nor breaks a lane', () => {
  const text = renderExploreText(hostile)
  // eslint-disable-next-line no-control-regex
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
  const table = text.split('\n').filter((line) => /^[┌│├└]/.test(line))
  expect(new Set(table.map((line) => line.length)).size).toBe(1)
})

test('two lanes are at most 110 columns wide', () => {
  for (const facts of [lostUpdate, deadlock, hostile]) {
    const table = renderExploreText(facts)
      .split('\n')
      .filter((line) => /^[┌│├└]/.test(line))
    expect(Math.max(...table.map((line) => line.length))).toBeLessThanOrEqual(110)
  }
})
