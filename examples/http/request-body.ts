import type { Context } from 'hono'
import { InvalidOptionError } from 'rowlock'
import { ProblemError } from './problem.js'

/** The largest body that is read, in bytes; the requests of this service have some fifty. */
export const MAX_BODY = 4_096

/** The fields of a request's body. What is in them is for the repositories to check, and they name what is wrong. */
export interface Body {
  readonly userId?: any
  readonly eventId?: any
  readonly amount?: any
}

/** The arguments that clients are told about when they are refused. */
export const FIELDS: readonly (keyof Body)[] = ['userId', 'eventId', 'amount']

export const TOO_LARGE = { status: 413, code: 'BODY_TOO_LARGE', detail: `The body must have at most ${MAX_BODY} bytes.` }

/**
 * The body of a request, which must be a JSON object. Take the fields that you want out of it, one by one:
 * whatever else a client has put there must not become an argument.
 */
export async function readBody(c: Context): Promise<Body> {
  if (!/^application\/json\s*(;|$)/i.test(c.req.header('Content-Type') ?? '')) {
    throw new ProblemError({ status: 415, code: 'NOT_JSON', detail: 'The Content-Type must be application/json.' })
  }
  const body: unknown = await c.req.json().catch(() => undefined)
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body
  throw new ProblemError({ status: 400, code: 'INVALID_BODY', detail: 'The body must be a JSON object, such as {"userId":1}.' })
}

/** The largest value of an `Int` column. */
const MAX_ID = 2_147_483_647

/** @throws {InvalidOptionError} when `value` is no id; checked here where it is used before a repository sees it. */
export function parseId(value: unknown, name: keyof Body): number {
  if (Number.isInteger(value) && (value as number) > 0 && (value as number) <= MAX_ID) return value as number
  throw new InvalidOptionError(name, value, `a whole number from 1 to ${MAX_ID}`)
}
