import { InvalidOptionError } from '../core/errors.js'
import { assertFunction, assertSignal, isObject, readable } from '../core/option-checks.js'

/** setTimeout fires at once above this. */
const LONGEST_TIMER = 2_147_483_647

/** What every kind of race takes. */
export interface RaceLimits {
  /** Ends the race: no further request starts, and the running ones see their own signal abort. */
  readonly signal?: AbortSignal | undefined
  /**
   * The most the whole race may take, creating its clients included. Milliseconds, 1 or more;
   * unlimited by default.
   */
  readonly deadline?: number | undefined
}

export function requireObject(option: string, given: unknown): asserts given is Record<string, unknown> {
  if (!isObject(given)) throw new InvalidOptionError(option, given, 'an object')
}

/** A copy of the options, each read once. Refuses a misspelt one, which would otherwise be a default that nobody asked for. */
export function readKnown<T extends object>(given: T, known: readonly string[]): T {
  const read = readable(given, 'options', () => ({ ...given }))
  for (const [option, value] of Object.entries(read)) {
    if (!known.includes(option)) {
      throw new InvalidOptionError(option, value, `left out: the options are ${known.join(', ')}`)
    }
  }
  return read
}

export function requireInteger(option: string, given: unknown, min: number, max: number): number {
  if (typeof given === 'number' && Number.isInteger(given) && given >= min && given <= max) return given
  throw new InvalidOptionError(option, given, `an integer from ${min} to ${max}`)
}

export function requireText(option: string, given: unknown, allowed = 'a non-empty string'): string {
  if (typeof given === 'string' && given !== '') return given
  throw new InvalidOptionError(option, given, allowed)
}

/** Checks `signal`, `deadline` and `onProgress`, which every kind of race takes. */
export function requireLimits(given: Record<string, unknown>): void {
  assertSignal(given['signal'], 'signal')
  if (given['deadline'] !== undefined) requireInteger('deadline', given['deadline'], 1, LONGEST_TIMER)
  if (given['onProgress'] !== undefined) assertFunction(given['onProgress'], 'onProgress')
}
