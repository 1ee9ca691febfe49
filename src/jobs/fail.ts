import { InvalidOptionError } from '../core/errors.js'
import { readOptions } from '../core/option-checks.js'
import type { Assignment } from '../sql/update-statement.js'
import { describeThrown, parseMilliseconds } from './job-input.js'
import { type JobTable, readJobTable, timeColumn } from './job-table.js'
import type { ClaimedJob, FailOptions, JobModel, JobOf } from './job-types.js'
import { parseClaim, updateClaimed } from './job-update.js'

/**
 * Gives a claimed job up, for good or until a later attempt, or refuses when the caller's attempt is over: a
 * worker that was presumed dead never fails the attempt that took its job over.
 *
 * @param model The model it was claimed from, `prisma.job` or `tx.job`.
 * @param job The claimed row, or any object with its key and its `attempt`.
 * @param options With `retryIn` the job is claimable again after so many milliseconds, else never.
 * @returns The job as it is now.
 * @throws {StaleClaimError} when the job has been claimed again, or this attempt has reported before.
 * @throws {InvalidOptionError} for an argument that is not allowed, among them a `retryIn` above 0 when the
 *   model has no `runAt`, and none when it has no `failedAt`; nothing was sent.
 * @throws {AmbiguousCommitError} when the connection died and the job may have been given up.
 * @throws What a find with `lock` throws.
 * @example
 * ```ts
 * const [job] = await claim(prisma.job, { lease: 60_000 })
 * if (job) await fail(prisma.job, job, { error: new Error('no such address'), retryIn: 30_000 })
 * ```
 */
export async function fail<T extends JobModel>(model: T, job: ClaimedJob<T>, options: FailOptions<T>): Promise<JobOf<T>> {
  options = readOptions(options, ['error', 'retryIn', 'columns'], 'options')
  if (!('error' in options)) throw new InvalidOptionError('error', undefined, 'there: what was thrown, an Error or anything else')
  const table = readJobTable(model, options.columns)
  const { leaseExpiresAt, error } = table.parts
  const failed = await updateClaimed(model, table, parseClaim(job, table), [
    ...whenToRetry(options.retryIn, table),
    { kind: 'null', column: leaseExpiresAt.column.name },
    ...(error ? [{ kind: 'text', column: error.column.name, text: describeThrown(options.error) } as const] : []),
  ])
  return failed
}

function whenToRetry(retryIn: unknown, { model, parts: { runAt, failedAt } }: JobTable): Assignment[] {
  if (retryIn === undefined) {
    if (failedAt) return [{ kind: 'time', column: timeColumn(failedAt), after: 0 }]
    throw new InvalidOptionError(
      'retryIn',
      undefined,
      `given, as ${model.name} has no \`failedAt\` field to say that a job has failed for good`,
    )
  }
  const after = parseMilliseconds(retryIn, 'retryIn', 0)
  if (runAt) return [{ kind: 'time', column: timeColumn(runAt), after }]
  if (after === 0) return []
  throw new InvalidOptionError('retryIn', retryIn, `0 or left out, as ${model.name} has no \`runAt\` field to say when a job is due`)
}
