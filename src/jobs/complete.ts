import { readOptions } from '../core/option-checks.js'
import { readJobTable, timeColumn } from './job-table.js'
import type { ClaimedJob, CompleteOptions, JobModel, JobOf } from './job-types.js'
import { parseClaim, updateClaimed } from './job-update.js'

/**
 * Completes a claimed job, or refuses when the caller's attempt is over: a worker that was presumed dead
 * never completes the attempt that took its job over.
 *
 * In the transaction of the job's effect both are committed or neither is, so that of all attempts exactly
 * one has its effect. A worker whose lease has expired may still complete the job as long as nobody else
 * has claimed it.
 *
 * @param model The model it was claimed from, `prisma.job` or `tx.job`.
 * @param job The claimed row, or any object with its key and its `attempt`.
 * @returns The job as it is now.
 * @throws {StaleClaimError} when the job has been claimed again, or this attempt has reported before.
 * @throws {InvalidOptionError} for an argument that is not allowed; nothing was sent.
 * @throws {AmbiguousCommitError} when the connection died and the job may have been completed.
 * @throws What a find with `lock` throws.
 * @example
 * ```ts
 * const [job] = await claim(prisma.job, { lease: 60_000 })
 * if (job) {
 *   await prisma.$transactionWithRetry(async (tx) => {
 *     await credit(tx, { userId: 1, amount: 10 })
 *     await complete(tx.job, job)
 *   })
 * }
 * ```
 */
export async function complete<T extends JobModel>(model: T, job: ClaimedJob<T>, options: CompleteOptions<T> = {}): Promise<JobOf<T>> {
  options = readOptions(options, ['columns'], 'options')
  const table = readJobTable(model, options.columns)
  const { completedAt, leaseExpiresAt } = table.parts
  const completed = await updateClaimed(model, table, parseClaim(job, table), [
    { kind: 'time', column: timeColumn(completedAt), after: 0 },
    { kind: 'null', column: leaseExpiresAt.column.name },
  ])
  return completed
}
