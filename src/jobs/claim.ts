import { parseNumber, readOptions } from '../core/option-checks.js'
import { assertOrderBy, parseMilliseconds, parseWhere } from './job-input.js'
import { type JobTable, readJobTable, timeColumn } from './job-table.js'
import type { ClaimOptions, JobModel, JobOf } from './job-types.js'
import { updateJobs } from './job-update.js'

const OPTION_KEYS = ['where', 'orderBy', 'take', 'lease', 'columns']
const MAX_TAKE = 1_000

/**
 * Claims at most `take` jobs of a table for the caller alone: until its lease has expired, by the server's
 * clock, no other call gets them. One statement, which waits for nobody: jobs that others are just
 * claiming or changing are left out.
 *
 * A job is claimable when it is neither completed nor failed for good, its `runAt` has come, and no lease is
 * running. A claim raises its `attempt`, the number that {@link complete}, {@link fail} and
 * {@link extend} are guarded by.
 *
 * Outside a transaction the claim is committed at once. In an open one it stands when that commits; until
 * then others skip the jobs, and a rollback gives them back.
 *
 * A worker that dies gives nothing back: its jobs are claimable when their lease has expired. A job may
 * therefore be worked on more than once, also by two workers at a time when the first one is only slow.
 *
 * @param model A model of a client with `rowLocks()`, `prisma.job` or `tx.job`. With read replicas
 *   `prisma.$primary().job`: a claim goes where a `findMany` goes.
 * @returns The claimed jobs as they are now, in the order of `orderBy`; fewer than `take`, or none, when
 *   there are no more.
 * @throws {InvalidOptionError} for an argument that is not allowed; nothing was sent.
 * @throws {LockNotSupportedError} when the model has no key.
 * @throws {LockNotAppliedError} without `lockable()` around the adapter; nothing was claimed.
 * @throws {AmbiguousCommitError} when the connection died and the jobs may have been claimed.
 * @throws {SerializationError} in a transaction above READ COMMITTED, when a job was changed since it began.
 * @throws What a find with `lock` throws, and Prisma's own error for a `where` or `orderBy` that it refuses.
 * @example
 * ```ts
 * const jobs = await claim(prisma.job, { where: { queue: 'mail' }, orderBy: { runAt: 'asc' }, take: 10, lease: 60_000 })
 * for (const job of jobs) {
 *   try {
 *     console.log('sending', job.payload)
 *     await complete(prisma.job, job)
 *   } catch (error) {
 *     await fail(prisma.job, job, job.attempt < 5 ? { error, retryIn: 30_000 * 2 ** job.attempt } : { error })
 *   }
 * }
 * ```
 * @see https://www.postgresql.org/docs/current/sql-select.html#SQL-FOR-UPDATE-SHARE
 */
export async function claim<T extends JobModel>(model: T, options: ClaimOptions<T>): Promise<JobOf<T>[]> {
  options = readOptions(options, OPTION_KEYS, 'options')
  const table = readJobTable(model, options.columns)
  const lease = parseMilliseconds(options.lease, 'lease', 1)
  const take = parseNumber(options.take, 'take', { min: 1, max: MAX_TAKE }) ?? 1
  const where = parseWhere(options.where)
  assertOrderBy(options.orderBy)

  const { attempt, leaseExpiresAt, runAt } = table.parts
  const claimed = await updateJobs(model, table, toFind(table, where, options.orderBy, take), {
    // Workers that insert rows which refer to a job do not keep it from being claimed.
    lock: { strength: 'forNoKeyUpdate', wait: { kind: 'skipLocked' } },
    due: [
      { column: timeColumn(leaseExpiresAt), orNull: true },
      ...(runAt ? [{ column: timeColumn(runAt), orNull: runAt.column.nullable !== false }] : []),
    ],
    assignments: [
      { kind: 'nextNumber', column: attempt.column.name },
      { kind: 'time', column: timeColumn(leaseExpiresAt), after: lease },
    ],
  })
  return claimed
}

/** What Prisma can say of a claimable job; what depends on the server's clock is added to its statement. */
function toFind({ parts }: JobTable, where: object, orderBy: unknown, take: number) {
  const open = { [parts.completedAt.field]: null, ...(parts.failedAt && { [parts.failedAt.field]: null }) }
  return { where: { AND: [where, open] }, ...(orderBy !== undefined && { orderBy }), take }
}
