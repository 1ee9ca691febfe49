import stringWidth from 'string-width'
import { expect, test } from 'vitest'
import { renderLockTree } from '../../../src/report/lock-tree-text.js'
import { busy, session, tree, waitFor } from './lock-trees.js'

const lines = (text: string) => text.split('\n')

test('who waits stands below whom they wait for', () => {
  expect(renderLockTree(busy)).toBe(
    `4 sessions wait for a lock, the longest for 41.0 s.

4711 checkout · idle in transaction · transaction of 2 min 14 s · SELECT Wallet WHERE id = $1 LIMIT $2 OFFSET $3 FOR NO KEY UPDATE
└─ 4720 credit · waits 14.2 s for Wallet id = 7 forNoKeyUpdate · transaction of 14.3 s · SELECT Wallet WHERE id = $1 LIMIT $2 OFFSET $3 FOR NO KEY UPDATE
   ├─ 4722 withdraw · waits 9.1 s for Wallet id = 7 forNoKeyUpdate · transaction of 9.2 s · SELECT Wallet WHERE id = $1 LIMIT $2 OFFSET $3 FOR NO KEY UPDATE
   └─ 4725 api · waits 3.0 s for Wallet id = 7 forUpdate · transaction of 3.1 s · SELECT Wallet WHERE id = $1 LIMIT $2 OFFSET $3 FOR UPDATE
4802 nightly report · active · transaction of 1 h 2 min · SELECT sum(amount) FROM WalletEntry GROUP BY walletId
└─ 4810 migrate · waits 41.0 s for the table WalletEntry · transaction of 41.1 s · ALTER TABLE WalletEntry ADD COLUMN note text`,
  )
  expect(renderLockTree(tree([]))).toBe('Nobody waits for a lock.')
})

test('no line is wider than the terminal, whatever characters it has and however they are coloured', () => {
  const wide = tree([session(1, { label: '注文を確定する 🧾', waiters: [session(2, { label: 'é'.repeat(30), wait: waitFor(9_000) })] })])
  for (const color of [false, true]) {
    for (const width of [10, 17, 40, 60]) {
      for (const line of lines(renderLockTree(wide, { width, color })).slice(2)) {
        expect(stringWidth(line)).toBeLessThanOrEqual(width)
        expect(line).toContain('…')
      }
    }
  }
})

test('a wait is calm, then yellow, then red, and who holds a lock stands out', () => {
  const colored = (duration: number) =>
    lines(renderLockTree(tree([session(1, { waiters: [session(2, { wait: waitFor(duration) })] })]), { color: true }))
  expect(colored(1_000)[3]).toContain(' · waits 1.0 s for')
  expect(colored(1_001)[3]).toContain('\u001B[33mwaits 1.0 s for Wallet id = 7 forNoKeyUpdate\u001B[39m')
  expect(colored(5_000)[3]).toContain('\u001B[33mwaits')
  expect(colored(5_001)[3]).toContain('\u001B[31mwaits')
  expect(colored(1)[2]).toContain('\u001B[1m\u001B[35m1 api\u001B[39m\u001B[22m · active')
})

test('nothing that a session says of itself is obeyed by the terminal', () => {
  const hostile = '\u001B[2J\u0007one\ntwo\u202E'
  const root = session(1, { label: hostile, state: hostile, query: hostile })
  const waiter = session(2, {
    applicationName: hostile,
    query: hostile,
    wait: waitFor(1, { target: { kind: 'row', schema: 's', table: hostile, key: { [hostile]: hostile } } }),
  })
  // eslint-disable-next-line no-control-regex
  expect(renderLockTree(tree([{ ...root, waiters: [waiter] }]))).not.toMatch(/[\u0000-\u0009\u000B-\u001F\u202E]/)
  expect(lines(renderLockTree(tree([{ ...root, waiters: [waiter] }])))).toHaveLength(4)
})
