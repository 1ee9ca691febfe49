import { InvalidOptionError } from './errors.js'

/** @throws {InvalidOptionError} when `options` is not a plain object or has a key that is not allowed. */
export function assertKnownOptions(options: unknown, known: readonly string[], path: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new InvalidOptionError(path, options, `an object with the optional keys ${known.join(', ')}`)
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new InvalidOptionError(
        `${path}.${key}`,
        (options as Record<string, unknown>)[key],
        `left out: the keys are ${known.join(', ')}`,
      )
    }
  }
}

/** Which numbers are allowed. */
export interface NumberBounds {
  readonly min: number
  /** Default: the largest safe integer. */
  readonly max?: number
  /** What it is a number of, for the message. */
  readonly unit?: 'milliseconds'
}

/** @throws {InvalidOptionError} when `value` is neither undefined nor a whole number within the bounds. */
export function parseNumber(value: unknown, path: string, bounds: NumberBounds): number | undefined {
  return value === undefined ? undefined : requireNumber(value, path, bounds)
}

/** @throws {InvalidOptionError} when `value` is not a whole number within the bounds. */
export function requireNumber(value: unknown, path: string, bounds: NumberBounds): number {
  const { min, max = Number.MAX_SAFE_INTEGER, unit } = bounds
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw new InvalidOptionError(path, value, `a whole number ${unit ? `of ${unit} ` : ''}from ${min} to ${max}`)
  }
  return value
}

/** @throws {InvalidOptionError} when `value` is not a function. */
export function assertFunction(value: unknown, path: string): void {
  if (typeof value !== 'function') throw new InvalidOptionError(path, value, 'a function')
}

/** @throws {InvalidOptionError} when `value` is neither undefined nor an AbortSignal. */
export function assertSignal(value: unknown, path: string): void {
  if (value !== undefined && !(value instanceof AbortSignal)) throw new InvalidOptionError(path, value, 'an AbortSignal')
}

/** @throws {InvalidOptionError} when `value` is neither undefined, which means false, nor a boolean. */
export function parseFlag(value: unknown, path: string): boolean {
  if (value !== undefined && typeof value !== 'boolean') throw new InvalidOptionError(path, value, 'true or false')
  return value ?? false
}

const MAX_TEXT_LENGTH = 255

/**
 * PostgreSQL's text has no NUL, and a lone surrogate would be stored as U+FFFD: two different keys
 * would become one.
 *
 * @throws {InvalidOptionError} when `value` is not a string of 1 to 255 characters that can be stored as it is.
 */
export function parseText(value: unknown, path: string): string {
  if (typeof value !== 'string' || value.length === 0 || value.length > MAX_TEXT_LENGTH || /[\0\p{Surrogate}]/u.test(value)) {
    throw new InvalidOptionError(path, value, `a string of 1 to ${MAX_TEXT_LENGTH} characters, without NUL and lone surrogates`)
  }
  return value
}
