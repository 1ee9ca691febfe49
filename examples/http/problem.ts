/**
 * What HTTP answers to every error of rowlock, as problem details (RFC 9457). Copy this file: it needs
 * nothing but rowlock.
 */
import { InvalidOptionError, isRowLockError, type RowLockError, type RowLockErrorCode } from 'rowlock'
import { AlreadySignedInError, InsufficientBalanceError, type RepositoryErrorCode } from 'rowlock/repositories'

/** What the client is told; `status` and the fields of its own go into the body as well. */
export interface Problem {
  readonly status: number
  /** For programs; `detail` is for people and may change. */
  readonly code: string
  readonly detail: string
  readonly [field: string]: unknown
}

/** A refusal by the service itself. */
export class ProblemError extends Error {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.detail)
    this.name = 'ProblemError'
    this.problem = problem
  }
}

/** How long a client that is asked to come back should wait, in seconds. */
export const RETRY_AFTER = 1

const INTERNAL: Problem = { status: 500, code: 'INTERNAL', detail: 'Something went wrong here. It was written down with the request id.' }

const NOTHING_DONE = 'The service is busy, or has lost its database for a moment. Nothing was done: send the same request again.'

const UNKNOWN_OUTCOME =
  'The database went away while it was committing: this was done completely or not at all. Send the same request again, ' +
  'with the same Idempotency-Key if it has one: it is not done twice.'

const KEY_REUSED = 'This Idempotency-Key came with another request before; use a new key for a new request.'

/** Of every error its status: one that is missing does not compile. */
const STATUS: Readonly<Record<RowLockErrorCode | RepositoryErrorCode, number>> = {
  // What was asked for is not possible as things stand. Not 402, which is reserved for future use (RFC 9110, 15.5.3).
  ALREADY_SIGNED_IN: 409,
  COUNT_IS_ZERO: 409,
  COUNT_TOO_LOW: 409,
  INSUFFICIENT_BALANCE: 409,
  LIMIT_EXCEEDED: 409,
  SOLD_OUT: 409,
  COMPANY_NOT_FOUND: 404,
  EVENT_NOT_FOUND: 404,
  RECORD_NOT_FOUND: 404,
  USER_NOT_FOUND: 404,
  WALLET_NOT_FOUND: 404,
  IDEMPOTENCY_CONFLICT: 422,
  // Nothing was done, and the same request may succeed a moment later.
  CONNECTION_LOST: 503,
  DEADLOCK: 503,
  LOCK_NOT_AVAILABLE: 503,
  LOCK_TIMEOUT: 503,
  POOL_TIMEOUT: 503,
  READ_ONLY: 503,
  RETRY_EXHAUSTED: 503,
  SERIALIZATION_FAILURE: 503,
  STATEMENT_TIMEOUT: 503,
  TRANSACTION_EXPIRED: 503,
  // Done or not done: with an idempotency key the same request finds out.
  AMBIGUOUS_COMMIT: 503,
  // Of the service's own making: no client can do anything about them. An argument that came with the request is a 400.
  ALREADY_COMMITTED: 500,
  COMMIT_NOT_SUPPORTED: 500,
  INVALID_OPTION: 500,
  LOCK_LOST: 500,
  LOCK_NOT_APPLIED: 500,
  LOCK_NOT_SUPPORTED: 500,
  LOCK_OUTSIDE_TRANSACTION: 500,
  REENTRANT_LOCK: 500,
  STALE_CLAIM: 500,
  STALE_TOKEN: 500,
}

/**
 * @param fields The arguments that come out of requests: any other that is refused is a mistake of the service
 *   and none of its client.
 */
export function toProblem(error: unknown, fields: readonly string[]): Problem {
  if (error instanceof ProblemError) return error.problem
  if (!isRowLockError(error)) return INTERNAL
  if (error instanceof InvalidOptionError && fields.includes(error.option)) return invalidArgument(error)
  const status = (STATUS as Readonly<Record<string, number>>)[error.code] ?? 500
  if (status === 500) return INTERNAL
  return { status, code: error.code, detail: detailOf(error, status), ...factsOf(error) }
}

/** A problem as a response. What may be sent again says when. */
export function toResponse(problem: Problem): Response {
  const headers = new Headers({ 'Content-Type': 'application/problem+json' })
  if (problem.status === 503) headers.set('Retry-After', String(RETRY_AFTER))
  return new Response(JSON.stringify(problem), { status: problem.status, headers })
}

function invalidArgument({ option, allowed }: InvalidOptionError): Problem {
  return { status: 400, code: 'INVALID_ARGUMENT', detail: `\`${option}\` must be ${allowed}.`, argument: option }
}

/** A refusal says why. The message of a failure is about tables and locks, and is for the log. */
function detailOf({ code, message }: RowLockError, status: number): string {
  if (code === 'AMBIGUOUS_COMMIT') return UNKNOWN_OUTCOME
  if (code === 'IDEMPOTENCY_CONFLICT') return KEY_REUSED
  return status === 503 ? NOTHING_DONE : message
}

/** What a client may want to show, or to go by. */
function factsOf(error: RowLockError): Readonly<Record<string, unknown>> {
  if (error instanceof InsufficientBalanceError) return { balance: error.balance.toFixed(2) }
  if (error instanceof AlreadySignedInError) return { nextDayStartsAt: error.nextDayStartsAt }
  return {}
}
