import { InvalidOptionError, isRowLockError } from './errors.js'

/**
 * A copy of `options` with the known keys that it has. Each is read once, so that what was checked is what is
 * used, also of an object with getters.
 *
 * @throws {InvalidOptionError} when `options` is no object, has a key that is not allowed, or cannot be read.
 */
export function readOptions<T>(options: T, known: readonly string[], path: string): T {
  if (!isObject(options)) {
    throw new InvalidOptionError(path, options, `an object with the optional keys ${known.join(', ')}`)
  }
  const unknown = readable(options, path, () => Object.keys(options)).find((key) => !known.includes(key))
  if (unknown !== undefined) {
    throw new InvalidOptionError(`${path}.${unknown}`, propertyOf(options, unknown), `left out: the keys are ${known.join(', ')}`)
  }
  const read: Record<string, unknown> = {}
  for (const key of known) {
    readable(options, `${path}.${key}`, () => {
      if (key in options) read[key] = options[key]
    })
  }
  return read as T
}

/**
 * What `read` returns.
 *
 * @throws {InvalidOptionError} in place of what a getter or a proxy of the caller's throws.
 */
export function readable<T>(given: unknown, path: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (isRowLockError(cause)) throw cause
    throw new InvalidOptionError(path, given, 'a value that can be read', cause)
  }
}

/** A property of anything; undefined where there is none, or none that can be read. */
export function propertyOf(value: unknown, name: PropertyKey): unknown {
  try {
    return (value as Record<PropertyKey, unknown> | null | undefined)?.[name]
  } catch {
    return undefined
  }
}

/** `instanceof`, which throws for a revoked proxy. */
export function isInstance<T>(value: unknown, type: abstract new (...args: never[]) => T): value is T {
  try {
    return value instanceof type
  } catch {
    return false
  }
}

/** `Array.isArray`, which throws for a revoked proxy. */
export function isArray(value: unknown): value is unknown[] {
  try {
    return Array.isArray(value)
  } catch {
    return false
  }
}

/** Whether `value` is an object and no array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !isArray(value)
}

/** The oldest that anything can be asked for, in milliseconds (31 years): before 4713 BC PostgreSQL has no time. */
export const MAX_AGE = 1_000_000_000_000

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
  if (value !== undefined && !isSignal(value)) throw new InvalidOptionError(path, value, 'an AbortSignal')
}

/** An object that only has the prototype throws at every use. */
function isSignal(value: unknown): boolean {
  try {
    return value instanceof AbortSignal && typeof Reflect.get(AbortSignal.prototype, 'aborted', value) === 'boolean'
  } catch {
    return false
  }
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
