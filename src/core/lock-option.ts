import { InvalidOptionError } from './errors.js'
import { isObject, parseFlag, readOptions, requireNumber } from './option-checks.js'

// The type is read off the values: the compiler then names them in its messages, and not the type.
const LOCK_STRENGTHS = ['forUpdate', 'forNoKeyUpdate', 'forShare', 'forKeyShare'] as const

/**
 * PostgreSQL's four row-lock strengths, strongest first.
 *
 * | strength | for | blocks |
 * |---|---|---|
 * | `forUpdate` | rows about to be deleted or re-keyed | every other row lock, also a child insert's foreign-key check |
 * | `forNoKeyUpdate` | rows about to be edited | all but `forKeyShare` |
 * | `forShare` | rows that must not change while you look | `forUpdate`, `forNoKeyUpdate` |
 * | `forKeyShare` | rows that must not vanish | `forUpdate` |
 *
 * @see https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS
 */
export type LockStrength = (typeof LOCK_STRENGTHS)[number]

interface Strength {
  /** How strong the lock is, and so whom it keeps out: `'forUpdate'`, `'forNoKeyUpdate'`, `'forShare'` or `'forKeyShare'`. */
  readonly strength: LockStrength
}

/** Wait until the lock is granted, or until the transaction's `lock_timeout`. */
export interface LockAndWait extends Strength {
  readonly nowait?: false
  readonly skipLocked?: false
  readonly timeout?: undefined
}

/** Do not wait: a row that is locked is a `LockNotAvailableError`. */
export interface LockOrFail extends Strength {
  /** Do not wait: a row that is locked is a `LockNotAvailableError`. Default: false. */
  readonly nowait: true
  readonly skipLocked?: false
  readonly timeout?: undefined
}

/** Do not wait: rows that are locked are left out of the result. */
export interface LockOrSkip extends Strength {
  readonly nowait?: false
  /** Do not wait: rows that are locked are left out of the result. Default: false. */
  readonly skipLocked: true
  readonly timeout?: undefined
}

/** Wait for at most `timeout` milliseconds, then fail with a `LockTimeoutError`. */
export interface LockWithin extends Strength {
  readonly nowait?: false
  readonly skipLocked?: false
  /** How long to wait, in milliseconds: a whole number from 1 to 2,147,483,647. Default: the transaction's `lockTimeout`. */
  readonly timeout: number
}

/**
 * How to lock the rows of a find: a strength, or a strength with a wait policy (`nowait`,
 * `skipLocked` or `timeout`, at most one of them).
 *
 * @example
 * ```ts
 * await prisma.$transaction(async (tx) => {
 *   await tx.wallet.findUnique({ where: { id: 1 }, lock: 'forUpdate' })
 *   await tx.wallet.findMany({ where: { userId: 1 }, lock: { strength: 'forShare', timeout: 500 } })
 *   await tx.ticket.findFirst({ where: { userId: null }, lock: { strength: 'forUpdate', skipLocked: true } })
 * })
 * ```
 */
export type LockOption = LockStrength | LockAndWait | LockOrFail | LockOrSkip | LockWithin

/** What to do about a row that someone else has locked. */
export type WaitPolicy =
  | { readonly kind: 'wait' }
  | { readonly kind: 'nowait' }
  | { readonly kind: 'skipLocked' }
  | { readonly kind: 'timeout'; readonly timeout: number }

/** A validated {@link LockOption}. */
export interface RowLock {
  readonly strength: LockStrength
  readonly wait: WaitPolicy
}

/** PostgreSQL keeps its time limits in a signed 32-bit number of milliseconds. */
export const MAX_TIMEOUT = 2_147_483_647

const STRENGTHS_IN_WORDS = `one of ${LOCK_STRENGTHS.map((strength) => `'${strength}'`).join(', ')}`

/**
 * Checks a lock option at run time, for callers without types.
 *
 * @throws {InvalidOptionError} when the strength is unknown, a key is unknown, or wait policies are combined.
 */
export function parseLockOption(option: unknown, path = 'lock'): RowLock {
  if (typeof option === 'string') return { strength: parseStrength(option, path), wait: { kind: 'wait' } }
  if (!isObject(option)) {
    throw new InvalidOptionError(path, option, `${STRENGTHS_IN_WORDS}, or an object with such a \`strength\``)
  }
  const read = readOptions(option, ['strength', 'nowait', 'skipLocked', 'timeout'], path)
  return { strength: parseStrength(read['strength'], `${path}.strength`), wait: parseWaitPolicy(read, path) }
}

/** The option that asks for this lock: what was checked is what is handed on. */
export function toLockOption({ strength, wait }: RowLock): LockOption {
  if (wait.kind === 'timeout') return { strength, timeout: wait.timeout }
  if (wait.kind === 'nowait') return { strength, nowait: true }
  return wait.kind === 'skipLocked' ? { strength, skipLocked: true } : strength
}

/** @throws {InvalidOptionError} when `value` is not a whole number of milliseconds in PostgreSQL's range. */
export function parseTimeout(value: unknown, path: string): number {
  return requireNumber(value, path, { min: 1, max: MAX_TIMEOUT, unit: 'milliseconds' })
}

function parseStrength(value: unknown, path: string): LockStrength {
  const strength = LOCK_STRENGTHS.find((known) => known === value)
  if (strength === undefined) throw new InvalidOptionError(path, value, STRENGTHS_IN_WORDS)
  return strength
}

function parseWaitPolicy(option: Record<string, unknown>, path: string): WaitPolicy {
  const nowait = parseFlag(option['nowait'], `${path}.nowait`)
  const skipLocked = parseFlag(option['skipLocked'], `${path}.skipLocked`)
  const timeout = option['timeout'] === undefined ? undefined : parseTimeout(option['timeout'], `${path}.timeout`)
  if (nowait && skipLocked) {
    throw new InvalidOptionError(`${path}.skipLocked`, true, 'left out with `nowait`: a locked row is either an error or skipped')
  }
  if (timeout !== undefined && (nowait || skipLocked)) {
    throw new InvalidOptionError(`${path}.timeout`, timeout, 'left out with `nowait` or `skipLocked`, which never wait')
  }
  if (nowait) return { kind: 'nowait' }
  if (skipLocked) return { kind: 'skipLocked' }
  return timeout === undefined ? { kind: 'wait' } : { kind: 'timeout', timeout }
}
