import { LockNotAppliedError } from '../core/errors.js'
import { lockingClause } from '../sql/locking-clause.js'
import { offsetWithLockTimeout, restoringLockTimeout } from '../sql/lock-timeout.js'
import { parseSelectStatement, type SelectStatement } from '../sql/select-statement.js'
import { type RowUpdate, updatingStatement } from '../sql/update-statement.js'
import type { SqlQuery, SqlResultSet } from './driver-adapter.js'
import type { LockRequest } from './lock-request.js'

type Send = (query: SqlQuery) => Promise<SqlResultSet>

/**
 * Runs a statement that carries a lock request, with the locking clause in it.
 *
 * A statement on one table takes one round trip: after a wait PostgreSQL re-reads the locked row itself.
 * What the statement reads from other tables (a `_count`, a relation filter, joined relations) it does
 * not: that still comes from the snapshot before the wait. Such a statement is therefore run again
 * once its rows are locked, until it returns no row that it did not already hold.
 *
 * @throws {LockNotAppliedError} before anything is sent, when the statement is not a SELECT as Prisma 7 renders it.
 */
export async function runLockedStatement(query: SqlQuery, request: LockRequest, send: Send): Promise<SqlResultSet> {
  const statement = parseLockable(query)
  if (request.update) return runUpdate(query, statement, request, request.update, send)
  request.applied = true
  if (!statement.readsMore || !mayWait(request)) return send(renderLocked(query, statement, request))

  const withRowIds = renderLocked(query, { ...statement, selectList: addRowId(statement) }, request)
  let held = await send(withRowIds)
  for (;;) {
    const again = await send(withRowIds)
    if (isSubset(rowIds(again), rowIds(held))) return withoutLastColumn(again)
    held = again
  }
}

/** The statement that reads, unlocked, which transactions hold the rows that `query` wants to lock. */
export function lockersStatement(query: SqlQuery, skip: number): SqlQuery | undefined {
  const statement = parseSelectStatement(query.sql)
  if (!statement) return undefined
  const sql = `SELECT ${statement.rootAlias}.xmax::text AS xmax ${statement.body} OFFSET $${statement.offsetPlaceholder}`
  return withSkip({ ...query, sql }, statement.offsetPlaceholder, skip)
}

/** Never more than once and never without its LIMIT, however Prisma compiles the find: the rows are changed. */
async function runUpdate(query: SqlQuery, statement: SelectStatement, request: LockRequest, update: RowUpdate, send: Send) {
  const limit = / LIMIT \$(\d+)$/.exec(statement.body)?.[1]
  if (request.applied || !(Number(query.args[Number(limit) - 1]) <= update.limit)) throw notAsRendered()
  request.applied = true
  const { sql, values } = updatingStatement(statement, update, query.args.length)
  const { args, argTypes } = withSkip(query, statement.offsetPlaceholder, request.skip)
  const typeOf = (value: number | string) => ({ scalarType: typeof value === 'number' ? 'float' : 'string', arity: 'scalar' }) as const
  const updating = { sql: withComment(sql, statement), args: [...args, ...values], argTypes: [...argTypes, ...values.map(typeOf)] }
  return withoutLastColumn(await send(updating))
}

function parseLockable(query: SqlQuery): SelectStatement {
  const statement = parseSelectStatement(query.sql)
  // The marker must be the OFFSET of the root: anywhere else it would lock the wrong statement.
  if (statement && statement.offsetPlaceholder === query.args.length) return statement
  throw notAsRendered()
}

function notAsRendered(): LockNotAppliedError {
  return new LockNotAppliedError(
    'The lock was refused before anything was sent, as the statement is not a SELECT as Prisma 7 renders it; ' +
      'check that this version of rowlock supports your version of Prisma.',
  )
}

const mayWait = ({ lock }: LockRequest) => lock.wait.kind === 'wait' || lock.wait.kind === 'timeout'

function renderLocked(query: SqlQuery, statement: SelectStatement, { lock, skip }: LockRequest): SqlQuery {
  const { selectList, body, offsetPlaceholder, rootAlias } = statement
  const select = (offset: string) => `${selectList}${body} OFFSET ${offset} ${lockingClause(lock, rootAlias)}`
  const sql =
    lock.wait.kind === 'timeout'
      ? restoringLockTimeout(select(offsetWithLockTimeout(offsetPlaceholder, lock.wait.timeout)))
      : select(`$${offsetPlaceholder}`)
  return withSkip({ ...query, sql: withComment(sql, statement) }, offsetPlaceholder, skip)
}

const withComment = (sql: string, { trailingComment }: SelectStatement) => (trailingComment ? `${sql} ${trailingComment}` : sql)

/** Puts the caller's own `skip` where the marker was, in the marker's own type. */
function withSkip(query: SqlQuery, placeholder: number, skip: number): SqlQuery {
  const args = [...query.args]
  args[placeholder - 1] = typeof args[placeholder - 1] === 'string' ? String(skip) : skip
  return { ...query, args }
}

// A row's ctid is its place in the table. It cannot change while we hold the row's lock.
const addRowId = ({ selectList, rootAlias }: SelectStatement) => `${selectList.trimEnd()}, ${rootAlias}.ctid::text AS "rowlock.ctid" `

const rowIds = ({ rows }: SqlResultSet) => rows.map((row) => row.at(-1))

function isSubset(some: unknown[], all: unknown[]): boolean {
  const known = new Set(all)
  return some.every((id) => known.has(id))
}

const withoutLastColumn = (result: SqlResultSet): SqlResultSet => ({
  ...result,
  columnNames: result.columnNames.slice(0, -1),
  columnTypes: result.columnTypes.slice(0, -1),
  rows: result.rows.map((row) => row.slice(0, -1)),
})
