import { InvalidOptionError } from '../../core/errors.js'
import { parseNumber, readOptions } from '../../core/option-checks.js'

/** How many schedules to run, and which. */
export interface SearchOptions {
  /**
   * `auto` runs every schedule with at most `preemptions`, then all the others as long as the budget
   * lasts, and random ones when it would not. `complete` runs all, `bounded` those with at most
   * `preemptions`, `sampled` random ones. Default: `auto`.
   */
  readonly mode?: 'auto' | 'complete' | 'bounded' | 'sampled'
  /** How often a schedule may leave an actor that could have gone on. Default: 2. */
  readonly preemptions?: number
  /** The most schedules to run. Default: 20,000. */
  readonly schedules?: number
  /** The longest to search, in milliseconds. Default: 30,000. */
  readonly time?: number
  /** What the random schedules are made from. Default: a new one each time, printed in the report. */
  readonly seed?: number
}

export type SearchSettings = Required<SearchOptions>

const MODES = ['auto', 'complete', 'bounded', 'sampled'] as const

/** @throws {InvalidOptionError} for an unknown key or a value outside its range. */
export function parseSearchOptions(search: SearchOptions = {}): SearchSettings {
  search = readOptions(search, ['mode', 'preemptions', 'schedules', 'time', 'seed'], 'search')
  const mode = search.mode ?? 'auto'
  if (!MODES.includes(mode)) throw new InvalidOptionError('search.mode', mode, `one of ${MODES.join(', ')}`)
  return {
    mode,
    preemptions: parseNumber(search.preemptions, 'search.preemptions', { min: 0, max: 100 }) ?? 2,
    schedules: parseNumber(search.schedules, 'search.schedules', { min: 1 }) ?? 20_000,
    time: parseNumber(search.time, 'search.time', { min: 1 }) ?? 30_000,
    seed: parseNumber(search.seed, 'search.seed', { min: 0, max: 2 ** 32 - 1 }) ?? Math.floor(Math.random() * 2 ** 32),
  }
}
