import { describe, expect, test } from 'vitest'
import {
  KEY_BINDINGS,
  press,
  showFailure,
  showMessage,
  showTree,
  startWatch,
  type WatchState,
} from '../../../../src/cli/locks/watch-state.js'
import { busy, session, tree, waitFor } from '../../report/lock-trees.js'

// From top to bottom: 4711, which holds up 4720, 4722 and 4725; 4802, which holds up 4810.
const start = startWatch(busy)

/** The state after these keys, none of which may ask for anything to be done. */
const after = (state: WatchState, ...keys: string[]): WatchState =>
  keys.reduce((before, key) => {
    const { state: next, action } = press(before, key)
    expect(action).toBeUndefined()
    return next
  }, state)

/** The tree without one of its roots. */
const without = (pid: number) => tree(busy.roots.filter((root) => root.pid !== pid))

describe('selecting', () => {
  test('goes up and down in the order of the screen, and no further than its ends', () => {
    expect(start.selected).toBe(4711)
    expect(after(start, 'up').selected).toBe(4711)
    expect(after(start, 'down').selected).toBe(4720)
    expect(after(start, 'j', 'j', 'j', 'j', 'k').selected).toBe(4725)
    expect(after(start, 'pagedown').selected).toBe(4810)
    expect(after(start, 'pagedown', 'pageup').selected).toBe(4711)
  })

  test('stays with its session when the tree changes, and goes to a neighbour when that is gone', () => {
    const selected = after(start, 'pagedown', 'up')
    expect(selected.selected).toBe(4802)
    expect(showTree(selected, without(4711)).selected).toBe(4802)
    expect(showTree(after(start, 'down', 'down'), without(4711)).selected).toBe(4810)
    expect(showTree(selected, tree([])).selected).toBeUndefined()
    expect(showTree(showTree(selected, tree([])), busy).selected).toBe(4711)
  })

  test('nobody can be selected, looked at or cancelled where nobody is', () => {
    const empty = startWatch(tree([]))
    expect(after(empty, 'down', 'return', 'c', 'up')).toEqual(empty)
  })
})

describe('pausing', () => {
  test('keeps the screen as it is, also for an answer that was under way', () => {
    const paused = after(start, 'p')
    expect(paused.paused).toBe(true)
    expect(showTree(paused, tree([]))).toBe(paused)
    expect(showFailure(paused, 'connect ECONNREFUSED')).toBe(paused)
    expect(showTree(after(paused, 'space'), tree([])).lines).toEqual([])
  })
})

describe('cancelling', () => {
  const asked = after(start, 'down', 'c')

  test('asks about the selected waiter', () => {
    expect(asked.question).toMatchObject({ pid: 4720 })
  })

  test('needs a yes', () => {
    const { state, action } = press(asked, 'y')
    expect(action).toMatchObject({ kind: 'cancel', waiter: { pid: 4720 } })
    expect(state.question).toBeUndefined()
  })

  test.each(['n', 'return', 'enter', 'escape', 'q'])('is left alone after %s', (key) => {
    expect(after(asked, key)).toMatchObject({ question: undefined, message: 'Nothing was cancelled.' })
  })

  test('waits for an answer when another key is pressed, so that nothing else happens by mistake', () => {
    const ways = KEY_BINDINGS.flatMap(({ keys }) => keys)
    for (const key of [...ways, 'alt-y', 'ctrl-y', 'x'].filter((one) => !['return', 'enter', 'escape', 'q'].includes(one)))
      expect(after(asked, key)).toBe(asked)
    expect(press(asked, 'ctrl-c').action).toEqual({ kind: 'interrupt' })
  })

  test('is refused for who waits for nothing', () => {
    const refused = after(start, 'c')
    expect(refused.question).toBeUndefined()
    expect(refused.message).toBe('4711 checkout waits for no lock: only who waits can be cancelled.')
  })

  test('is off when the wait is over, or is for something else', () => {
    const elsewhere = session(4720, { label: 'credit', wait: waitFor(5, { target: { kind: 'advisory', key: 1n } }) })
    for (const now of [tree([]), tree([session(4711, { waiters: [elsewhere] })])])
      expect(showTree(asked, now)).toMatchObject({ question: undefined, message: '4720 credit no longer waits.' })
    expect(showTree(asked, busy).question).toMatchObject({ pid: 4720 })
  })
})

describe('looking', () => {
  test('Enter shows a statement and ? the keys, each the tree again, and Escape too', () => {
    expect(after(start, 'return').view).toBe('session')
    expect(after(start, 'return', 'return').view).toBe('tree')
    expect(after(start, '?').view).toBe('help')
    expect(after(start, '?', '?').view).toBe('tree')
    expect(after(start, 'return', '?', 'escape').view).toBe('tree')
  })

  test('at a statement up and down scroll it, as far as there is more of it', () => {
    const looking = after(start, 'down', 'return')
    const scrolled = press(press(looking, 'down', 3).state, 'pagedown', 3).state
    expect(scrolled).toMatchObject({ scroll: 3, selected: 4720 })
    expect(press(scrolled, 'up', 3).state.scroll).toBe(2)
    expect(after(scrolled, 'return', 'return').scroll).toBe(0)
  })

  test('at the statement of a session that goes, nobody else takes its place', () => {
    const looking = after(start, 'down', 'return')
    expect(showTree(looking, without(4711))).toMatchObject({ view: 'tree', message: '4720 credit is no longer among them.' })
    expect(showTree(looking, busy).view).toBe('session')
  })
})

test('q quits, and Ctrl-C interrupts', () => {
  expect(press(start, 'q').action).toEqual({ kind: 'quit' })
  expect(press(start, 'ctrl-c').action).toEqual({ kind: 'interrupt' })
})

test('a message stays until the next key that does something, a failure until the next answer', () => {
  const told = showFailure(showMessage(start, 'Cancelled.'), 'no answer')
  expect(showTree(told, busy)).toMatchObject({ message: 'Cancelled.', failure: undefined })
  expect(after(told, 'x').message).toBe('Cancelled.')
  expect(after(told, 'down')).toMatchObject({ message: undefined, failure: 'no answer' })
  expect(told.lines).toBe(start.lines)
})

test('no key has two meanings', () => {
  const keys = KEY_BINDINGS.flatMap((binding) => binding.keys)
  expect(new Set(keys).size).toBe(keys.length)
})
