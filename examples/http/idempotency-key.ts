import type { Context } from 'hono'
import { ProblemError } from './problem.js'

/** The header's string, in quotes as the draft wants it, or without them as many clients send it. */
const KEY = /^("?)([\w.:-]{1,128})\1$/

const FORMAT = 'one string of 1 to 128 letters, digits and `-_.:`, such as a UUID'

/** {@link parseIdempotencyKey} of a request. */
export const readIdempotencyKey = (c: Context): string => parseIdempotencyKey(c.req.header('Idempotency-Key'))

/**
 * The key in an `Idempotency-Key` header, as in draft-ietf-httpapi-idempotency-key-header: 400 without one, and
 * for one that is no key. That it was used for something else is found out by `once` of rowlock/lockers.
 */
export function parseIdempotencyKey(header: string | undefined): string {
  const key = header === undefined ? undefined : KEY.exec(header.trim())?.[2]
  if (key !== undefined) return key
  const detail =
    header === undefined
      ? `This request moves something, and needs an Idempotency-Key header to be sent again safely: ${FORMAT}.`
      : `The Idempotency-Key header must be ${FORMAT}.`
  throw new ProblemError({ status: 400, code: header === undefined ? 'IDEMPOTENCY_KEY_MISSING' : 'IDEMPOTENCY_KEY_INVALID', detail })
}
