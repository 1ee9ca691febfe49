import type { LockTree } from '../../monitor/lock-tree-types.js'
import { titleOf } from '../../report/describe-lock.js'
import { type LockForest, type PlacedSession, toForest } from '../../report/lock-forest.js'
import { toTreeLines, type TreeLine } from '../../report/lock-tree-text.js'
import { waitsStill } from './waiter.js'

/** What `rowlock locks --watch` shows, and what was pressed so far. */
export interface WatchState {
  /** When the locks were read last, by the server's clock. */
  readonly readAt: Date
  readonly forest: LockForest
  /** The sessions of the forest, from top to bottom. */
  readonly lines: readonly TreeLine[]
  /** Why the last reading failed, when it did. */
  readonly failure?: string | undefined
  readonly paused: boolean
  /** The pid of the selected session; undefined when there is no session. */
  readonly selected: number | undefined
  readonly view: 'tree' | 'session' | 'help'
  /** How many lines of the selected session are above the screen. */
  readonly scroll: number
  /** The waiter that is cancelled if the answer is yes. */
  readonly question?: PlacedSession | undefined
  /** What became of the last key. */
  readonly message?: string | undefined
}

/** What is to be done beside showing the next state. */
export type WatchAction = { readonly kind: 'quit' | 'interrupt' } | { readonly kind: 'cancel'; readonly waiter: PlacedSession }

export interface Pressed {
  readonly state: WatchState
  readonly action?: WatchAction
}

interface KeyBinding {
  readonly keys: readonly string[]
  /** The keys as they are shown. */
  readonly label: string
  /** For the footer, in a word; left out of it without one. */
  readonly short?: string
  readonly meaning: string
  press(state: WatchState, key: string, maxScroll: number): Pressed
}

const PAGE = 10
const STEPS: Readonly<Record<string, number>> = { up: -1, k: -1, down: 1, j: 1, pageup: -PAGE, pagedown: PAGE }

export const KEY_BINDINGS: readonly KeyBinding[] = [
  {
    keys: ['up', 'k', 'down', 'j'],
    label: '↑ ↓',
    short: 'select',
    meaning: 'selects a session, as k and j do; scrolls a statement that is longer than the screen',
    press: move,
  },
  { keys: ['pageup', 'pagedown'], label: 'PgUp PgDn', meaning: 'the same, ten lines at a time', press: move },
  {
    keys: ['return', 'enter'],
    label: 'Enter',
    short: 'statement',
    meaning: "shows the selected session's whole statement, and the tree again",
    press: (state) => ({ state: state.selected === undefined ? state : { ...state, view: toggled(state.view, 'session'), scroll: 0 } }),
  },
  {
    keys: ['c'],
    label: 'c',
    short: 'cancel',
    meaning: 'cancels the statement of the selected session, if it waits, after asking',
    press: askToCancel,
  },
  {
    keys: ['p', 'space'],
    label: 'p',
    short: 'pause',
    meaning: 'stops reading and goes on, as the space bar does',
    press: (state) => ({ state: { ...state, paused: !state.paused } }),
  },
  {
    keys: ['?'],
    label: '?',
    short: 'help',
    meaning: 'shows the keys, and the tree again',
    press: (state) => ({ state: { ...state, view: toggled(state.view, 'help') } }),
  },
  { keys: ['escape'], label: 'Esc', meaning: 'goes back to the tree', press: (state) => ({ state: { ...state, view: 'tree' } }) },
  { keys: ['q'], label: 'q', short: 'quit', meaning: 'quits, as Ctrl-C does', press: (state) => ({ state, action: { kind: 'quit' } }) },
]

export const startWatch = (tree: LockTree): WatchState =>
  withTree({ lines: [], paused: false, selected: undefined, view: 'tree', scroll: 0 }, tree)

/** A new reading. One that was under way when the watch was paused is not shown. */
export const showTree = (state: WatchState, tree: LockTree): WatchState =>
  state.paused ? state : withoutWhoIsGone(state, withTree(state, tree))

/** A reading that failed leaves the last one where it is. */
export const showFailure = (state: WatchState, failure: string): WatchState => (state.paused ? state : { ...state, failure })

export const showMessage = (state: WatchState, message: string): WatchState => ({ ...state, message })

/**
 * What a key does.
 *
 * @param maxScroll - how many lines of the selected session can be scrolled away.
 */
export function press(state: WatchState, key: string, maxScroll = 0): Pressed {
  if (key === 'ctrl-c') return { state, action: { kind: 'interrupt' } }
  if (state.question) return answer(state, state.question, key)
  const binding = KEY_BINDINGS.find(({ keys }) => keys.includes(key))
  return binding ? binding.press({ ...state, message: undefined }, key, maxScroll) : { state }
}

export const selectedSession = ({ lines, selected }: WatchState): PlacedSession | undefined => findSession(lines, selected)

const NO = ['n', 'return', 'enter', 'escape', 'q']

/** No other key has its meaning while a question is open: a slip of the finger cancels nothing. */
function answer(state: WatchState, waiter: PlacedSession, key: string): Pressed {
  if (key === 'y') return { state: { ...state, question: undefined }, action: { kind: 'cancel', waiter } }
  return { state: NO.includes(key) ? { ...state, question: undefined, message: 'Nothing was cancelled.' } : state }
}

function askToCancel(state: WatchState): Pressed {
  const session = selectedSession(state)
  if (!session) return { state }
  if (session.wait) return { state: { ...state, question: session } }
  return { state: { ...state, message: `${titleOf(session)} waits for no lock: only who waits can be cancelled.` } }
}

function move(state: WatchState, key: string, maxScroll: number): Pressed {
  const step = STEPS[key]!
  if (state.view === 'session') return { state: { ...state, scroll: clamp(state.scroll + step, maxScroll) } }
  if (state.view === 'help') return { state }
  const { lines } = state
  const next = lines[clamp(placeOf(lines, state.selected) + step, lines.length - 1)]
  return { state: { ...state, selected: next?.session.pid } }
}

function withTree(before: Omit<WatchState, 'readAt' | 'forest'>, tree: LockTree): WatchState {
  const forest = toForest(tree)
  const lines = toTreeLines(forest.roots)
  // In place of a session that is gone, its neighbour.
  const neighbour = lines[clamp(placeOf(before.lines, before.selected), lines.length - 1)]
  const selected = findSession(lines, before.selected) ? before.selected : neighbour?.session.pid
  return { ...before, readAt: tree.readAt, forest, lines, selected, failure: undefined }
}

/** A question about a wait that is over is withdrawn, and nobody else's statement is shown in place of one that was looked at. */
function withoutWhoIsGone(before: WatchState, state: WatchState): WatchState {
  const { question, view } = before
  if (question && !waitsStill(question, findSession(state.lines, question.pid))) {
    return { ...state, question: undefined, message: `${titleOf(question)} no longer waits.` }
  }
  if (view === 'session' && state.selected !== before.selected) {
    return { ...state, view: 'tree', message: `${titleOf(selectedSession(before)!)} is no longer among them.` }
  }
  return state
}

const findSession = (lines: readonly TreeLine[], pid: number | undefined) => lines.find(({ session }) => session.pid === pid)?.session

const placeOf = (lines: readonly TreeLine[], pid: number | undefined) =>
  Math.max(
    0,
    lines.findIndex(({ session }) => session.pid === pid),
  )

const clamp = (value: number, max: number) => Math.max(0, Math.min(value, max))

const toggled = (view: WatchState['view'], other: WatchState['view']) => (view === other ? 'tree' : other)
