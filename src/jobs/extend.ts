import { readOptions } from '../core/option-checks.js'
import { parseMilliseconds } from './job-input.js'
import { readJobTable, timeColumn } from './job-table.js'
import type { ClaimedJob, ExtendOptions, JobModel, JobOf } from './job-types.js'
import { parseClaim, updateClaimed } from './job-update.js'

/**
 * Keeps a claimed job for `lease` milliseconds from now, or refuses when the caller's attempt is over. May
 * shorten the lease as well. A lease that has expired can be extended as long as nobody else has claimed the job.
 *
 * @param model The model it was claimed from, `prisma.job` or `tx.job`.
 * @param job The claimed row, or any object with its key and its `attempt`.
 * @returns The job as it is now.
 * @throws {StaleClaimError} when the job has been claimed again, or this attempt has reported before.
 * @throws {InvalidOptionError} for an argument that is not allowed; nothing was sent.
 * @throws {AmbiguousCommitError} when the connection died and the lease may have been extended.
 * @throws What a find with `lock` throws.
 * @example
 * ```ts
 * const [job] = await claim(prisma.job, { lease: 60_000 })
 * if (job) await extend(prisma.job, job, { lease: 60_000 })
 * ```
 */
export async function extend<T extends JobModel>(model: T, job: ClaimedJob<T>, options: ExtendOptions<T>): Promise<JobOf<T>> {
  options = readOptions(options, ['lease', 'columns'], 'options')
  const table = readJobTable(model, options.columns)
  const lease = parseMilliseconds(options.lease, 'lease', 1)
  const extended = await updateClaimed(model, table, parseClaim(job, table), [
    { kind: 'time', column: timeColumn(table.parts.leaseExpiresAt), after: lease },
  ])
  return extended
}
