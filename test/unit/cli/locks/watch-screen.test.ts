import { stripVTControlCharacters } from 'node:util'
import stringWidth from 'string-width'
import { expect, test } from 'vitest'
import { renderWatch, type WatchScreenOptions } from '../../../../src/cli/locks/watch-screen.js'
import { press, showFailure, showMessage, startWatch, type WatchState } from '../../../../src/cli/locks/watch-state.js'
import { busy, queue, READ_AT, session, tree, waitFor } from '../../report/lock-trees.js'

const start = startWatch(busy)
const after = (state: WatchState, ...keys: string[]): WatchState => keys.reduce((before, key) => press(before, key).state, state)
const options = { database: 'shop on localhost:5432', interval: 1_000, width: 90, height: 14, color: false }
const draw = (state: WatchState, changes: Partial<WatchScreenOptions> = {}) => renderWatch(state, { ...options, ...changes })
const rows = (state: WatchState, changes?: Partial<WatchScreenOptions>) => draw(state, changes).lines

test('the screen has a header, the tree with the selected session, and the keys', () => {
  expect(rows(after(start, 'down')).join('\n')).toBe(`shop on localhost:5432 · ${READ_AT.toTimeString().slice(0, 8)} · every 1 s
4 sessions wait for a lock, the longest for 41.0 s.

  4711 checkout · idle in transaction · transaction of 2 min 14 s · SELECT Wallet WHERE i…
> └─ 4720 credit · waits 14.2 s for Wallet id = 7 forNoKeyUpdate · transaction of 14.3 s …
     ├─ 4722 withdraw · waits 9.1 s for Wallet id = 7 forNoKeyUpdate · transaction of 9.2…
     └─ 4725 api · waits 3.0 s for Wallet id = 7 forUpdate · transaction of 3.1 s · SELEC…
  4802 nightly report · active · transaction of 1 h 2 min · SELECT sum(amount) FROM Walle…
  └─ 4810 migrate · waits 41.0 s for the table WalletEntry · transaction of 41.1 s · ALTE…




↑ ↓ select  Enter statement  c cancel  p pause  ? help  q quit`)
})

test('it fills a screen of any size, and leaves nothing over, in all that it shows', () => {
  const hostile = session(1, {
    label: '\u001B[2J\n注文',
    query: 'SELECT 1\n\u0007'.repeat(50),
    waiters: [session(2, { wait: waitFor(9_000) })],
  })
  for (const from of [start, startWatch(tree([])), startWatch(tree([hostile])), startWatch(queue(20))]) {
    const states = [
      from,
      after(from, 'down', 'c'),
      after(from, 'return'),
      after(from, '?'),
      after(from, 'p', 'c'),
      showFailure(showMessage(from, 'A long message. '.repeat(20)), 'connect\n\u001B[31mECONNREFUSED'),
    ]
    for (const state of states) {
      for (const [width, height] of [
        [1, 1],
        [20, 3],
        [33, 6],
        [160, 30],
      ] as const) {
        for (const color of [false, true]) {
          const lines = rows(state, { width, height, color })
          expect(lines).toHaveLength(height)
          for (const line of lines) {
            expect(stringWidth(line)).toBeLessThanOrEqual(width)
            // eslint-disable-next-line no-control-regex
            expect(stripVTControlCharacters(line)).not.toMatch(/[\u0000-\u001F]/)
            if (!color) expect(line).not.toContain('\u001B')
          }
        }
      }
    }
  }
})

test('of a tree that is longer than the screen, it shows what is around the selected session', () => {
  const long = startWatch(queue(60))
  const shown = (state: WatchState) =>
    rows(state)
      .slice(3, -2)
      .map((line) => Number(/\d+/.exec(line)![0]))
  expect(shown(long)).toEqual([100, 101, 102, 103, 104, 105, 106, 107, 108])
  expect(shown(after(long, 'pagedown', 'pagedown'))).toEqual([116, 117, 118, 119, 120, 121, 122, 123, 124])
  expect(shown(after(long, ...Array<string>(7).fill('pagedown')))).toEqual([152, 153, 154, 155, 156, 157, 158, 159, 160])
})

test('a session is shown with its whole statement, line by line, and scrolls where that is longer than the screen', () => {
  const query = Array.from({ length: 30 }, (_, line) => `line ${line} of it`).join('\n')
  const waiter = session(2, { label: 'worker', query, wait: waitFor(2_000) })
  const looking = after(startWatch(tree([session(1, { waiters: [waiter] })])), 'down', 'return')
  const { lines, maxScroll } = draw(looking)
  expect(lines.slice(3, 9)).toEqual([
    '2 worker',
    'active · transaction of 1.5 s · user app · behind 1',
    'waits 2.0 s for Wallet id = 7 forNoKeyUpdate',
    '',
    'line 0 of it',
    'line 1 of it',
  ])
  expect(maxScroll).toBe(4 + 30 - 9)
  const end = Array.from({ length: 50 }).reduce<WatchState>((state) => press(state, 'down', maxScroll).state, looking)
  expect(rows(end).slice(3, -2).at(-1)).toBe('line 29 of it')
  expect(
    rows(press(end, 'up', maxScroll).state)
      .slice(3, -2)
      .at(-1),
  ).toBe('line 28 of it')
  // Of a statement without line breaks nothing is cut off either.
  const wide = after(startWatch(tree([session(1, { query: 'x'.repeat(500), waiters: [waiter] })])), 'return')
  expect(rows(wide, { height: 40 }).join('').match(/x/g)).toHaveLength(500)
})

test('a question is there whole, also where it is longer than a line', () => {
  const asked = after(start, 'down', 'c')
  expect(rows(asked).at(-1)).toBe('Cancel the statement of 4720 credit, which waits for Wallet id = 7? y/n')
  expect(rows(asked, { width: 40 }).slice(-2)).toEqual(['Cancel the statement of 4720 credit, ', 'which waits for Wallet id = 7? y/n'])
})

test('what is not live says so', () => {
  expect(rows(after(start, 'p'))[0]).toBe(`paused · shop on localhost:5432 · ${READ_AT.toTimeString().slice(0, 8)}`)
  expect(rows(showFailure(start, 'no answer for 3.0 s'))[2]).toBe('Not live: no answer for 3.0 s')
})

test('the help has every key of the footer, and more', () => {
  const help = rows(after(start, '?'), { height: 30 })
  for (const label of ['↑ ↓', 'PgUp PgDn', 'Enter', 'c', 'p', '?', 'Esc', 'q'])
    expect(help.filter((line) => line.startsWith(`${label} `))).not.toEqual([])
})

test('in colour the selected session is marked, and a long wait red', () => {
  const [, , , first, second] = rows(start, { color: true })
  expect(first!.startsWith('\u001B[7m>\u001B[27m ')).toBe(true)
  expect(second).toContain('\u001B[31mwaits 14.2 s')
})
