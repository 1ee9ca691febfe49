import { AsyncResource } from 'node:async_hooks'
import { setImmediate as endOfTurn } from 'node:timers/promises'
import {
  AlreadyCommittedError,
  AmbiguousCommitError,
  InvalidOptionError,
  isRowLockError,
  LockTimeoutError,
  PoolTimeoutError,
  type RowLockError,
  type RowLockErrorDetails,
  StatementTimeoutError,
} from '../core/errors.js'
import { assertFunction, parseNumber, readOptions } from '../core/option-checks.js'

/** What requests are told apart by. */
export type CoalesceKey = string | number | bigint

/** How requests are put together. */
export interface CoalesceOptions<Request, Result> {
  /** What a request is about: only requests of equal keys (by `===`) are put together. */
  readonly key: (request: Request) => CoalesceKey
  /** How many requests are applied at once, at most: 1 to 10,000. Default: 100. */
  readonly max?: number | undefined
  /**
   * Applies the requests in one transaction, in the order of the array, and says for each what came of it.
   * When it throws anything but an `AmbiguousCommitError` or an `AlreadyCommittedError`, nothing must have been changed.
   */
  readonly apply: (requests: readonly Request[], key: CoalesceKey) => Promise<readonly PromiseSettledResult<Result>[]>
}

interface Pending<Request, Result> {
  readonly request: Request
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

const DEFAULT_MAX = 100
const MOST = 10_000

// Failures that no request has caused: alone, each would wait as long for the same, one after another.
const OF_ALL = new Map<string, new (message: string, details: RowLockErrorDetails) => RowLockError>([
  ['AMBIGUOUS_COMMIT', AmbiguousCommitError],
  // Not the same again, but twice.
  ['ALREADY_COMMITTED', AlreadyCommittedError],
  ['LOCK_TIMEOUT', LockTimeoutError],
  ['POOL_TIMEOUT', PoolTimeoutError],
  ['STATEMENT_TIMEOUT', StatementTimeoutError],
])

/**
 * Makes a function whose callers share transactions: while one batch of a key is under way, further requests
 * of that key queue in this process, in the order in which they came, and the next batch takes up to `max` of
 * them. Each caller gets its own result or its own error. A request of a key that nothing is under way for is
 * applied at once, together with those that come in the same turn of the event loop.
 *
 * It is for the hot row: commits that change one row cannot share a flush of the log, so only doing more in
 * each gets past it. Between processes the row's lock decides, as always: `apply` must take it.
 *
 * When `apply` throws, it is called again for each request alone, in their order, so that one request's
 * failure is not another's. Not so after a commit, an ambiguous one or an expired wait, which are told to every
 * caller of the batch, each by an error of its own.
 *
 * `apply` runs in the async context in which `coalesce` was called, not in a caller's.
 *
 * @returns Rejects with the error that `apply` gave for the request, threw for it alone, or threw for all.
 * @throws {InvalidOptionError} when an option is not allowed.
 * @throws {AmbiguousCommitError} to every caller of a batch of which `apply` returned anything but one outcome each.
 * @example
 * ```ts
 * const count = coalesce<{ company: string }, number>({
 *   key: ({ company }) => company,
 *   apply: async (requests, company) => {
 *     const { count: after } = await prisma.company.update({
 *       where: { name: String(company) },
 *       data: { count: { increment: requests.length } },
 *     })
 *     return requests.map((_, index) => ({ status: 'fulfilled', value: after - requests.length + index + 1 }))
 *   },
 * })
 * console.log(await Promise.all([count({ company: 'Acme' }), count({ company: 'Acme' })])) // [1, 2], by one UPDATE
 * ```
 */
export function coalesce<Request, Result>(options: CoalesceOptions<Request, Result>): (request: Request) => Promise<Result> {
  options = readOptions(options, ['key', 'max', 'apply'], 'options')
  assertFunction(options.key, 'key')
  assertFunction(options.apply, 'apply')
  const max = parseNumber(options.max, 'max', { min: 1, max: MOST }) ?? DEFAULT_MAX
  const { key: keyOf, apply } = options
  // Only keys with a batch under way are here: an idle key takes no memory.
  const queues = new Map<CoalesceKey, Pending<Request, Result>[]>()
  // A batch is nobody's in particular: the open transaction or the trace of whoever came first is not the others'.
  const context = new AsyncResource('rowlock.coalesce')

  async function drain(key: CoalesceKey, queue: Pending<Request, Result>[]): Promise<void> {
    while (queue.length > 0) {
      // The callers of the last batch are answered by then, and those who come back at once go along.
      await endOfTurn()
      await settle(queue.splice(0, max), key)
    }
    queues.delete(key)
  }

  async function settle(batch: readonly Pending<Request, Result>[], key: CoalesceKey): Promise<void> {
    try {
      const requests = batch.map(({ request }) => request)
      deliver(batch, await apply(requests, key))
    } catch (error) {
      if (batch.length === 1) batch[0]!.reject(error)
      else if (isOfAll(error)) for (const { reject } of batch) reject(ownCopy(error))
      else for (const one of batch) await settle([one], key)
    }
  }

  return async (request) => {
    const key = parseKey(keyOf(request))
    return new Promise((resolve, reject) => {
      const pending = { request, resolve, reject }
      const queue = queues.get(key)
      if (queue) {
        queue.push(pending)
        return
      }
      const own = [pending]
      queues.set(key, own)
      void context.runInAsyncScope(drain, undefined, key, own)
    })
  }
}

function parseKey(key: unknown): CoalesceKey {
  if (typeof key === 'string' || typeof key === 'number' || typeof key === 'bigint') return key
  // Of an async function nobody else hears.
  Promise.resolve(key).catch(() => undefined)
  throw new InvalidOptionError('key', key, 'a function that returns a string, number or bigint')
}

function deliver<Result>(batch: readonly Pending<unknown, Result>[], outcomes: readonly PromiseSettledResult<Result>[]): void {
  const read = readOutcomes(outcomes, batch.length)
  if (!read) {
    // What was done may have been committed: to do it again would be to do it twice.
    throw new AmbiguousCommitError(
      `\`apply\` was given ${batch.length} requests and did not return as many outcomes: what it did may have been committed.`,
    )
  }
  for (const [index, { resolve, reject }] of batch.entries()) {
    const outcome = read[index]!
    if (outcome.status === 'fulfilled') resolve(outcome.value)
    else reject(outcome.reason)
  }
}

/** All of them before the first is delivered: a getter that throws then must not have the batch applied again. */
function readOutcomes<Result>(
  outcomes: readonly PromiseSettledResult<Result>[],
  length: number,
): readonly PromiseSettledResult<Result>[] | undefined {
  try {
    if (!Array.isArray(outcomes) || outcomes.length !== length) return undefined
    const read = Array.from(outcomes as PromiseSettledResult<Result>[], readOutcome)
    return read.every((outcome) => outcome !== undefined) ? read : undefined
  } catch {
    return undefined
  }
}

function readOutcome<Result>(outcome: PromiseSettledResult<Result>): PromiseSettledResult<Result> | undefined {
  const status: unknown = outcome?.status
  if (status === 'fulfilled') return { status, value: (outcome as PromiseFulfilledResult<Result>).value }
  return status === 'rejected' ? { status, reason: (outcome as PromiseRejectedResult).reason as unknown } : undefined
}

/** By its code: it may come from another copy of this package. */
function isOfAll(error: unknown): error is RowLockError {
  return isRowLockError(error) && OF_ALL.has(error.code)
}

/** Of one object that many callers get, each would see what the others do to it. */
function ownCopy(error: RowLockError): RowLockError {
  const { code, message, model, key, strength, sqlState, blockers, cause = error } = error
  return new (OF_ALL.get(code)!)(message, { model, key, strength, sqlState, blockers, cause })
}
