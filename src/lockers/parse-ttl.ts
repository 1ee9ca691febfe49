import { MAX_TIMEOUT } from '../core/lock-option.js'
import { requireNumber } from '../core/option-checks.js'

const MIN_TTL = 100

/** @throws {InvalidOptionError} when `ttl`, which has no default, is not a number of milliseconds that a lease can last. */
export function parseTtl(ttl: unknown): number {
  return requireNumber(ttl, 'ttl', { min: MIN_TTL, max: MAX_TIMEOUT })
}
