import { describeKey } from '../core/classify-error.js'
import { readable } from '../core/option-checks.js'
import { InvalidOptionError, StaleClaimError } from '../core/errors.js'
import { toUpdatingLock } from '../extension/updating-find.js'
import type { RowUpdate } from '../sql/update-statement.js'
import type { JobTable } from './job-table.js'

type Where = Record<string, unknown>
type Jobs = { findMany(args: Where): PromiseLike<unknown[]> }

/** Which jobs to update, as of `findMany`. */
export interface JobFind {
  readonly where: Where
  readonly orderBy?: unknown
  readonly take: number
}

/** Finds jobs and updates them, in one statement. */
export async function updateJobs(
  jobs: unknown,
  table: JobTable,
  find: JobFind,
  update: Pick<RowUpdate, 'lock' | 'due' | 'assignments'>,
): Promise<unknown[]> {
  const key = table.key.map((field) => table.model.columns.get(field)!.name)
  return (jobs as Jobs).findMany({ ...find, lock: toUpdatingLock({ ...update, key, limit: find.take }) })
}

/**
 * Updates a claimed job, if it is still at the attempt that the caller has claimed and that attempt is not
 * over. The attempt is checked again on the row as it is once its lock is granted: whoever claims it
 * in between has raised the number.
 *
 * @throws {StaleClaimError} when it is not.
 */
export async function updateClaimed(
  jobs: unknown,
  table: JobTable,
  { key, attempt }: Claim,
  assignments: RowUpdate['assignments'],
): Promise<unknown> {
  const { parts } = table
  const where: Where = {
    ...key,
    [parts.attempt.field]: attempt,
    [parts.leaseExpiresAt.field]: { not: null },
    [parts.completedAt.field]: null,
    ...(parts.failedAt && { [parts.failedAt.field]: null }),
  }
  const lock = { strength: 'forNoKeyUpdate', wait: { kind: 'wait' } } as const
  const [job] = await updateJobs(jobs, table, { where, take: 1 }, { lock, due: [], assignments })
  if (job === undefined) throw staleClaim(table, { key, attempt })
  return job
}

/** One attempt at one job. */
export interface Claim {
  readonly key: Where
  readonly attempt: number
}

/** @throws {InvalidOptionError} when `job` does not have its key and its attempt. */
export function parseClaim(job: unknown, { model, key, parts }: JobTable): Claim {
  if (typeof job !== 'object' || job === null) {
    throw new InvalidOptionError('job', job, `a claimed ${model.name}, with ${[...key, parts.attempt.field].join(', ')}`)
  }
  const row = readable(job, 'job', () => Object.fromEntries([...key, parts.attempt.field].map((field) => [field, (job as Where)[field]])))
  const attempt = row[parts.attempt.field]
  if (!isInt32(attempt) || attempt < 1) throw new InvalidOptionError(`job.${parts.attempt.field}`, attempt, 'a whole number from 1')
  return { key: Object.fromEntries(key.map((field) => [field, parseKeyField(row, field, model.columns.get(field)!.type)])), attempt }
}

/** An object in place of a value would be a filter, which other jobs may match. */
function parseKeyField(row: Where, field: string, type: string): unknown {
  const value = row[field]
  const isOfType = IS_OF_TYPE[type] ?? isText
  if (!readable(value, `job.${field}`, () => isOfType(value)))
    throw new InvalidOptionError(`job.${field}`, value, `the value of a key, of type ${type}`)
  return value
}

const isInt32 = (value: unknown): value is number => Number.isInteger(value) && Math.abs(value as number) < 2 ** 31
const isText = (value: unknown) => typeof value === 'string' && !value.includes('\0')

// The types that a key can have; any other name is an enum's.
const IS_OF_TYPE: Readonly<Record<string, (value: unknown) => boolean>> = {
  String: isText,
  Int: isInt32,
  BigInt: (value) => (typeof value === 'bigint' && BigInt.asIntN(64, value) === value) || Number.isSafeInteger(value),
  DateTime: (value) => value instanceof Date && !Number.isNaN(value.getTime()),
  Boolean: (value) => typeof value === 'boolean',
  Float: Number.isFinite,
  Decimal: (value) => Number.isFinite(value) || typeof (value as { toFixed?: unknown } | null | undefined)?.toFixed === 'function',
  Bytes: (value) => value instanceof Uint8Array,
}

function staleClaim({ model }: JobTable, { key, attempt }: Claim): StaleClaimError {
  return new StaleClaimError(
    `${model.name}${describeKey(key)} is not held by attempt ${attempt} any more, and was not changed: another attempt has taken it ` +
      'over, or this one has reported before. Stop working on it.',
    { model: model.name, key, attempt },
  )
}
