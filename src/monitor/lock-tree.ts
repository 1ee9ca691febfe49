import { findDirectRoute } from '../adapter/direct-route.js'
import { classifyError } from '../core/classify-error.js'
import { InvalidOptionError, PoolTimeoutError } from '../core/errors.js'
import { explainPgError } from '../core/explain-pg-error.js'
import { propertyOf } from '../core/option-checks.js'
import { modelOfTable } from '../extension/schema-model.js'
import { deadlocksOf } from '../transaction/deadlock-history.js'
import { originalClient } from '../transaction/transaction-client.js'
import type { NamedTable } from './lock-target.js'
import type { LockTree } from './lock-tree-types.js'
import { readLockTree } from './read-lock-tree.js'
import type { RunQuery } from './run-query.js'

interface RawClient {
  $executeRawUnsafe(sql: string): PromiseLike<number>
  $queryRawUnsafe(sql: string): PromiseLike<Awaited<ReturnType<RunQuery>>>
  $transaction<T extends readonly PromiseLike<unknown>[]>(statements: [...T]): Promise<{ -readonly [I in keyof T]: Awaited<T[I]> }>
}

const TRANSACTION_API_ERROR = 'P2028'
const SUBJECT = { subject: 'the look at the locks' }

/**
 * Tells who waits for whom in the client's database at this moment, and what for, without waiting for any lock itself: the sessions
 * that hold what others wait for, below each those who wait for it, and so on. Sessions of all users and programs are there, not
 * only this client's.
 *
 * It asks by a connection of its own beside the pool, so that it also answers when every connection of the pool waits for a lock.
 * Where the adapter does not tell how to make one (see `lockable`) or none is to be had, it takes one of the pool.
 *
 * **Rights.** Who waits for whom is for everybody to see. Of other users' sessions a user sees their `pid`, `user`,
 * `applicationName` and `label`; `state`, `query` and `transactionAge` take the role `pg_read_all_stats` or `pg_monitor`. The `key`
 * of a row takes SELECT on its table.
 *
 * **What it cannot tell.** A row is named only to those who wait for it: PostgreSQL keeps no list of the rows that a
 * transaction has locked. A wait without a row (for a unique value that another transaction has inserted, or for a row whose lock the
 * waiter has in a weaker strength) is one for the end of a `transaction`. A `key` is missing when the row was changed and committed
 * since, and for tables without a primary key; a partition has its own name and no model. `query` is what a session runs or ran last: of
 * a holder mostly not the statement that took the lock. Needs PostgreSQL 14.
 *
 * @param prisma A client; `lockable()` and `rowLocks()` are needed for the connection beside the pool and for `deadlocks`.
 * @throws {InvalidOptionError} when `prisma` is no Prisma client.
 * @throws {PoolTimeoutError | ConnectionLostError} when no connection is to be had.
 * @throws {LockTimeoutError | StatementTimeoutError} when a table of the catalog is locked, or the server is overloaded.
 * @example
 * ```ts
 * const { roots } = await lockTree(prisma)
 * for (const { pid, label, query, waiters } of roots) {
 *   console.log(`${label ?? pid} holds up ${waiters.length} sessions; its last statement was ${query}`)
 * }
 * ```
 * @see https://www.postgresql.org/docs/current/view-pg-locks.html
 */
export async function lockTree(prisma: object): Promise<LockTree> {
  if (typeof propertyOf(prisma, '$queryRawUnsafe') !== 'function') throw new InvalidOptionError('prisma', prisma, 'a Prisma client')
  const tree = await readLockTree(await queryOf(prisma), (schema, table) => nameTable(prisma, schema, table))
  return { ...tree, deadlocks: deadlocksOf(prisma) }
}

/** By the connection beside the pool; by the pool where there is none, or the server takes none. */
async function queryOf(prisma: object): Promise<RunQuery> {
  const side = (await findDirectRoute(prisma))?.side
  const byPool = queryOfPool(prisma)
  if (!side) return byPool
  return async (sql) => {
    try {
      return await side.read(sql)
    } catch (error) {
      // What the server has refused by an ERROR it would refuse again; a connection it refuses by a FATAL one.
      if (propertyOf(error, 'severity') === 'ERROR') throw explainPgError(error, SUBJECT)
      return byPool(sql)
    }
  }
}

/** Past all extensions, one of which may send reads to another server. */
function queryOfPool(prisma: object): RunQuery {
  const client = originalClient(prisma) as RawClient
  return async (sql) => {
    try {
      const limits = client.$executeRawUnsafe('SET LOCAL lock_timeout = 1')
      const [, rows] = await client.$transaction([limits, client.$queryRawUnsafe(sql)])
      return rows
    } catch (error) {
      if (propertyOf(error, 'code') === TRANSACTION_API_ERROR) throw noConnection(error)
      throw classifyError(error, SUBJECT) ?? error
    }
  }
}

function noConnection(cause: unknown): PoolTimeoutError {
  return new PoolTimeoutError(
    'No connection of the pool came free to look at the locks, and there is none beside it; give `lockable` a `connection`.',
    { cause },
  )
}

function nameTable(prisma: object, schema: string, table: string): NamedTable | undefined {
  const model = modelOfTable(prisma, schema, table)
  return model && { model: model.name, fields: new Map([...model.columns].map(([field, { name }]) => [name, field])) }
}
