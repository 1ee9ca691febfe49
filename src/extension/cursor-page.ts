import { LockNotSupportedError } from '../core/errors.js'
import type { QueryCall } from './query-call.js'
import { isPlainObject } from './unique-where.js'

type Row = Record<string, unknown>

/**
 * Whether Prisma 7 turns the page in memory. It leaves a cursor to PostgreSQL only when the rows are
 * ordered by one unique field, which the cursor's own field surely is.
 */
export function paginatesInMemory({ cursor, orderBy }: Row): boolean {
  if (cursor === undefined) return false
  const fields = isPlainObject(cursor) ? Object.keys(cursor) : []
  if (fields.length !== 1 || isPlainObject((cursor as Row)[fields[0]!])) return true
  const orders = orderBy === undefined ? [] : Array.isArray(orderBy) ? orderBy : [orderBy]
  return !orders.every((order: unknown) => isPlainObject(order) && Object.keys(order).join() === fields[0]) || orders.length > 1
}

/**
 * Reads the keys of a page, unlocked, by the fields that its cursor names.
 *
 * @throws {LockNotSupportedError} in `$transaction([…])`, where a second statement cannot depend on a first one.
 */
export async function readPageKeys({ args, model, operation, transaction, query }: QueryCall): Promise<Row[]> {
  if (transaction?.kind === 'batch') {
    throw new LockNotSupportedError(
      "This cursor page takes two statements to lock, which `$transaction([…])` cannot run; order by the cursor's own field, or use `$transaction(async (tx) => …)`.",
      { model: model.name },
    )
  }
  const { where, orderBy, cursor, take, skip } = args
  const select = Object.fromEntries(keyFields(cursor as Row).map((field) => [field, true]))
  const many = operation === 'findMany'
  const found = await query({ where, orderBy, cursor, take, skip, select }, many ? 'findMany' : 'findFirst')
  const keys = (many ? found : found === null ? [] : [found]) as Row[]
  if (keys.some((key) => Object.values(key).includes(null))) {
    throw new LockNotSupportedError('The rows of this page have no key to lock them by, as a field of the cursor is null.', {
      model: model.name,
    })
  }
  return keys
}

function keyFields(cursor: Row): string[] {
  return Object.entries(cursor).flatMap(([field, value]) => (isPlainObject(value) ? Object.keys(value) : [field]))
}
