import { InvalidOptionError } from '../core/errors.js'
import type { LockOption } from '../core/lock-option.js'
import { assertRowLocksClient, type RowLocksClient } from '../extension/row-locks-client.js'
import { type SchemaTable, tableOf } from '../extension/schema-model.js'
import type { JsonValue } from './result-codec.js'

const MODEL = 'IdempotencyRecord'
const FIELDS = ['operation', 'key', 'inputHash', 'result', 'createdAt'] as const

/** What a key is used for, and the key. */
export interface RecordKey {
  readonly operation: string
  readonly key: string
}

export interface IdempotencyRecordRow extends RecordKey {
  readonly inputHash: string
  readonly result: unknown
}

interface Changed {
  readonly count: number
}

/** The calls that are made on the model, as Prisma and `rowLocks()` type them. */
export interface IdempotencyRecordModel {
  findFirst(args: { where: RecordKey; lock: LockOption }): PromiseLike<IdempotencyRecordRow | null>
  updateManyAndReturn(args: { where: RecordKey; data: { result: JsonValue } }): PromiseLike<IdempotencyRecordRow[]>
  deleteMany(args: { where: RecordKey }): PromiseLike<Changed>
}

/** What `once` uses of the transaction that it runs in. */
export interface IdempotencyTransaction {
  readonly idempotencyRecord: IdempotencyRecordModel
  $executeRawUnsafe(sql: string, ...values: unknown[]): PromiseLike<number>
}

/**
 * A client that `once` works with: any Prisma client with `rowLocks()`, generated from a schema that has the
 * model `IdempotencyRecord` as in rowlock's own `schema.prisma` (and whatever else), or the client that
 * such a client passes into a transaction.
 */
export interface OnceClient extends RowLocksClient {
  readonly idempotencyRecord: object
}

/** The table of the records, with a column for each field. */
export type RecordTable = { readonly name: string } & Readonly<Record<(typeof FIELDS)[number], string>>

/** @throws {InvalidOptionError} when `db` is no client with `rowLocks()` and the model `IdempotencyRecord`. */
export function recordTableOf(db: unknown): RecordTable {
  assertRowLocksClient(db)
  const table = tableOf(db, MODEL)
  if (!table || !hasAllFields(table)) {
    throw new InvalidOptionError('db', db, `a client with the model \`${MODEL}\` (${FIELDS.join(', ')}) of rowlock's schema.prisma`)
  }
  return { ...(Object.fromEntries(table.columns) as RecordTable), name: table.name }
}

function hasAllFields({ columns }: SchemaTable): boolean {
  return FIELDS.every((field) => columns.has(field))
}
