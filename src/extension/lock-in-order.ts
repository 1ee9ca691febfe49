import type { Types } from '@prisma/client/runtime/client'
import { isArray, readable } from '../core/option-checks.js'
import { InvalidOptionError, LockOutsideTransactionError } from '../core/errors.js'
import { type LockOption, parseLockOption, toLockOption } from '../core/lock-option.js'
import { isTransactionClient } from '../transaction/transaction-client.js'
import type { DelegateOf } from './extension-types.js'
import { readSchemaModels, type SchemaModel } from './schema-model.js'
import { readWhere, uniqueWhereToFilter } from './unique-where.js'
import { delegateName, notFound } from './with-lock.js'

type Row = Record<string, unknown>
type Where<Tx, Model> = Model extends keyof Tx ? Types.Public.Args<Tx[Model], 'findUniqueOrThrow'>['where'] : never
type RowOf<Tx, Model> = Model extends keyof Tx
  ? DelegateOf<Tx[Model]> extends Types.Extensions.DynamicModelExtensionThis<infer TypeMap, infer M extends PropertyKey, any>
    ? Types.Extensions.DynamicModelExtensionFnResultBase<TypeMap, M, {}, 'findUniqueOrThrow'>
    : never
  : never
type ModelsOf<Tx> = { [K in keyof Tx]: K extends `$${string}` ? never : Tx[K] extends { findMany: unknown } ? K : never }[keyof Tx] & string

/** One row to lock: its model's name on the client, and a unique `where`. */
export type RowToLock<Tx> = { [Model in ModelsOf<Tx>]: { readonly model: Model; readonly where: Where<Tx, Model> } }[ModelsOf<Tx>]

/**
 * Locks rows of several models in one order that does not depend on how the caller names them: model by
 * model in the order of their names, in each by primary key. Callers that lock the same rows through
 * this function therefore never deadlock with each other on them.
 *
 * One statement a model. The locks are released when the transaction ends.
 *
 * @param tx The transaction, of a client with `rowLocks()`.
 * @param rows What to lock; naming a row twice is allowed.
 * @param lock Default: `'forNoKeyUpdate'`. `skipLocked` is refused, as a missing row would look locked.
 * @returns The locked rows, in the order of `rows`.
 * @throws {RecordNotFoundError} when one of the rows does not exist.
 * @throws {LockOutsideTransactionError} when `tx` is not a transaction client.
 * @throws {InvalidOptionError} for an unknown model, a `where` that is not unique, or a wrong lock option.
 * @throws What a find with `lock` throws.
 * @example
 * ```ts
 * await prisma.$transactionWithRetry(async (tx) => {
 *   const [from, to] = await lockInOrder(tx, [
 *     { model: 'wallet', where: { userId: 2 } },
 *     { model: 'wallet', where: { userId: 1 } },
 *   ])
 *   return [from.balance, to.balance]
 * })
 * ```
 */
export async function lockInOrder<Tx, const Rows extends readonly RowToLock<Tx>[]>(
  tx: Tx,
  rows: Rows,
  lock: LockOption = 'forNoKeyUpdate',
): Promise<{ -readonly [I in keyof Rows]: RowOf<Tx, Rows[I]['model']> }> {
  const parsed = parseLockOption(lock)
  if (parsed.wait.kind === 'skipLocked') {
    throw new InvalidOptionError('lock.skipLocked', true, 'left out here: a row that was skipped could not be told from one that is gone')
  }
  if (!isArray(rows)) throw new InvalidOptionError('rows', rows, 'an array of { model, where }')
  const wanted = parseRows(tx, rows)
  if (!isTransactionClient(tx)) {
    throw new LockOutsideTransactionError(
      '`lockInOrder` was called outside a transaction; pass the client that `$transaction(async (tx) => …)` passes in.',
    )
  }

  const found: Row[] = new Array<Row>(wanted.length)
  for (const group of groupByModel(wanted)) await lockModel(tx, group, toLockOption(parsed), found)
  return found as never
}

interface WantedRow {
  readonly index: number
  readonly model: SchemaModel
  readonly where: unknown
  readonly filter: Row
}

function parseRows(tx: unknown, rows: readonly unknown[]): WantedRow[] {
  const models = readSchemaModels(tx)
  const byDelegate = new Map([...models.values()].map((model) => [delegateName(model), model]))
  const read = readable(rows, 'rows', () => Array.from(rows, (row, index) => readRow(row, `rows[${index}]`)))
  return read.map(({ model: name, where: given }, index) => {
    const model = typeof name === 'string' ? (byDelegate.get(name) ?? models.get(name)) : undefined
    if (!model) throw new InvalidOptionError(`rows[${index}].model`, name, `one of ${[...byDelegate.keys()].join(', ')}`)
    const where = readWhere(given, model)
    return { index, model, where, filter: uniqueWhereToFilter(where, model) }
  })
}

/** Refused in its place: an array may say that it has any number of rows. */
function readRow(row: unknown, path: string): { readonly model?: unknown; readonly where?: unknown } {
  if (!isObject(row)) throw new InvalidOptionError(path, row, 'an object { model, where }')
  return readable(row, path, () => ({ model: row['model'], where: row['where'] }))
}

function groupByModel(rows: readonly WantedRow[]): WantedRow[][] {
  const groups = new Map<string, WantedRow[]>()
  for (const row of rows) groups.set(row.model.name, [...(groups.get(row.model.name) ?? []), row])
  return [...groups.keys()].sort().map((name) => groups.get(name)!)
}

/** A locking find orders by primary key, and PostgreSQL locks the rows in that order. */
async function lockModel(tx: unknown, wanted: readonly WantedRow[], lock: LockOption, found: Row[]): Promise<void> {
  const model = wanted[0]!.model
  const delegate = (tx as Record<string, { findMany(args: object): Promise<Row[]> }>)[delegateName(model)]!
  const locked = await delegate.findMany({ where: { OR: wanted.map(({ filter }) => filter) }, lock })
  for (const { index, where } of wanted) {
    const row = locked.find((candidate) => matches(candidate, where as Row))
    if (!row) throw notFound(model, where)
    found[index] = row
  }
}

/** Whether a row has the unique values that `where` names; PostgreSQL has checked the rest of it. */
function matches(row: Row, where: Row): boolean {
  return Object.entries(where).every(([key, value]) => {
    if (value === undefined || key === 'AND' || key === 'OR' || key === 'NOT') return true
    if (!(key in row)) return isObject(value) && matches(row, value)
    return isFilter(value) || sameValue(row[key], value)
  })
}

const isObject = (value: unknown): value is Row => typeof value === 'object' && value !== null
const isFilter = (value: unknown) => isObject(value) && Object.getPrototypeOf(value) === Object.prototype

function sameValue(stored: unknown, given: unknown): boolean {
  if (isDecimal(stored)) return stored.equals(given)
  if (stored instanceof Date) return stored.getTime() === new Date(given as string).getTime()
  if (stored instanceof Uint8Array) return given instanceof Uint8Array && Buffer.compare(stored, given) === 0
  return stored === given || (typeof stored === 'bigint' && stored === BigInt(given as number))
}

function isDecimal(value: unknown): value is { equals(other: unknown): boolean } {
  return isObject(value) && typeof (value as { equals?: unknown }).equals === 'function' && 'd' in value
}
