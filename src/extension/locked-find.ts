import { closeLockRequest, isMarker, type LockRequest, openLockRequest } from '../adapter/lock-request.js'
import { InvalidOptionError, LockNotAppliedError, LockNotSupportedError, LockOutsideTransactionError } from '../core/errors.js'
import { parseLockOption, type RowLock } from '../core/lock-option.js'
import { classifyError } from '../core/classify-error.js'
import type { RowUpdate } from '../sql/update-statement.js'
import { paginatesInMemory, readPageKeys } from './cursor-page.js'
import { LockReport } from './lock-report.js'
import type { QueryCall } from './query-call.js'
import { uniqueWhereToFilter } from './unique-where.js'

type Args = Record<string, unknown>

/** The operations that take `lock`, and what each one runs as: findUnique has no OFFSET of its own. */
const RUNS_AS: Record<string, string> = {
  findUnique: 'findFirst',
  findUniqueOrThrow: 'findFirstOrThrow',
  findFirst: 'findFirst',
  findFirstOrThrow: 'findFirstOrThrow',
  findMany: 'findMany',
}

/**
 * Runs a find that carries a `lock`.
 *
 * @throws {InvalidOptionError | LockNotSupportedError | LockOutsideTransactionError} before anything is sent.
 * @throws {LockNotAppliedError} when the query came back without its lock.
 * @throws The {@link classifyError classified} error of the query.
 */
export async function lockedFind(call: QueryCall): Promise<unknown> {
  const { lock: option, ...args } = call.args
  const lock = parseLockOption(option)
  assertLockable(call, args)
  assertInTransaction(call, lock)

  const find = { ...call, args: toFindArgs(call, args) }
  return paginatesInMemory(find.args) ? lockPage(find, lock) : sendLocked(find, find.args, lock)
}

/** @throws {LockNotSupportedError} when `lock` stands on an operation that cannot lock rows. */
export function refuseLock({ operation, model, args }: QueryCall): never {
  throw new LockNotSupportedError(`\`${operation}\` cannot lock rows; \`lock\` is for ${Object.keys(RUNS_AS).join(', ')}.`, {
    model: model.name,
    strength: typeof args['lock'] === 'string' ? args['lock'] : undefined,
  })
}

export const takesLock = (operation: string): boolean => Object.hasOwn(RUNS_AS, operation)

function assertLockable({ model }: QueryCall, { distinct, skip }: Args): void {
  if (distinct !== undefined) {
    throw new LockNotSupportedError('`distinct` cannot be combined with `lock`: PostgreSQL cannot lock the rows of a DISTINCT query.', {
      model: model.name,
    })
  }
  if (skip !== undefined && !(Number.isInteger(skip) && (skip as number) >= 0 && !isMarker(skip as number))) {
    throw new InvalidOptionError('skip', skip, 'a whole number from 0 to 2147483647')
  }
}

function assertInTransaction({ model, transaction, args }: QueryCall, { strength }: RowLock): void {
  if (transaction !== undefined) return
  throw new LockOutsideTransactionError(
    `A row lock was asked for outside a transaction, where it would be released at once; ` +
      'call the find on the client that `$transaction(async (tx) => …)` passes in.',
    { model: model.name, strength, key: args['where'] },
  )
}

function toFindArgs({ operation, model }: QueryCall, args: Args): Args {
  return operation === RUNS_AS[operation] ? args : { ...args, where: uniqueWhereToFilter(args['where'], model) }
}

/** Sends the find with its marker; the adapter puts the lock into the SQL that Prisma renders. */
export async function sendLocked(call: QueryCall, args: Args, lock: RowLock, update?: RowUpdate): Promise<unknown> {
  const report = update ? undefined : reportOf(call, lock)
  const { marker, request } = openLockRequest(lock, (args['skip'] as number | undefined) ?? 0, update, report)
  try {
    const result = await call.query({ ...args, skip: marker }, RUNS_AS[call.operation]!)
    // `take: 0` is answered by Prisma itself: there is no statement, and no row to lock.
    if (!request.applied && args['take'] !== 0) throw notApplied(call, lock)
    return result
  } catch (error) {
    const explained = explain(error, call, request)
    // What was refused before it was sent has asked nobody for a lock.
    if (request.applied && explained !== request.refusal && call.isOwnError(error)) report?.refused(explained)
    throw explained
  } finally {
    closeLockRequest(marker)
  }
}

function reportOf({ emitter, model, args, label }: QueryCall, { strength }: RowLock): LockReport | undefined {
  return emitter && new LockReport(emitter, { model: model.name, table: model.table, key: args['where'], strength, label })
}

/**
 * Prisma turns some pages in memory, from an unlimited statement without an OFFSET. The page's keys are
 * then read first, and its rows are locked by key.
 */
async function lockPage(call: QueryCall, lock: RowLock): Promise<unknown> {
  const keys = await readPageKeys(call)
  const { cursor: _cursor, skip: _skip, take: _take, where = {}, ...rest } = call.args
  return sendLocked(call, { ...rest, where: { AND: [where, { OR: keys }] } }, lock)
}

function explain(error: unknown, call: QueryCall, request: LockRequest): unknown {
  if (request.refusal) return request.refusal
  const { strength, wait } = request.lock
  const autocommit = request.update !== undefined && call.transaction === undefined
  const context = { strength, nowait: wait.kind === 'nowait', blockers: request.blockers, autocommit }
  return call.isOwnError(error) ? (classifyError(error, { ...context, model: call.model.name, key: call.args['where'] }) ?? error) : error
}

function notApplied({ model, operation }: QueryCall, { strength }: RowLock): LockNotAppliedError {
  return new LockNotAppliedError(
    `${model.name}.${operation} ran without its lock and its result was thrown away: wrap the client's adapter, ` +
      '`new PrismaClient({ adapter: lockable(adapter) })`; if it is wrapped, this version of Prisma is not supported.',
    { model: model.name, strength },
  )
}
