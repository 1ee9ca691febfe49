import { type DirectRoute, findDirectRoute } from '../adapter/direct-route.js'
import type { SqlQuery } from '../adapter/driver-adapter.js'
import { classifyError, type ErrorContext } from '../core/classify-error.js'
import { isArray, readable } from '../core/option-checks.js'
import { InvalidOptionError, LockNotSupportedError } from '../core/errors.js'
import { recordDeadlock } from '../transaction/deadlock-history.js'
import { isTransactionClient } from '../transaction/transaction-client.js'
import { decodeRows } from './decode-rows.js'

/** One SQL statement and its values, such as Prisma's `` Prisma.sql`…` `` makes. */
export interface DirectStatement {
  /** With placeholders `$1`, `$2` … One of a few texts: the server keeps each prepared. */
  readonly text: string
  /** string, number, bigint, boolean, Date, Decimal, Uint8Array, null, or arrays of these; give the rest as JSON text. */
  readonly values: readonly unknown[]
}

/**
 * Runs one statement on a connection of the client's own pool, past Prisma's query engine and the client's
 * extensions: prepared, in one round trip, committed by itself. It is the way the repositories run a hot
 * operation as one statement, in a seventh of the time that a transaction of five takes.
 *
 * After a wait for a row PostgreSQL reads that row again, and nothing else: let the statement lock the row
 * first, and take what it decides on from the locked row (manual, 13.2.1).
 *
 * @param prisma A client made with `lockable()` around its adapter, not the client of a transaction.
 * @returns The rows, with values as Prisma's raw queries return them: Decimal, bigint, Date.
 * @throws {LockNotSupportedError} in a transaction, or without `lockable()` on the adapter; nothing was sent.
 * @throws {InvalidOptionError} for a statement that is not `{ text, values }`; nothing was sent.
 * @throws {AmbiguousCommitError} when the connection died while the statement ran.
 * @throws {LockTimeoutError | DeadlockError | SerializationError | StatementTimeoutError | PoolTimeoutError} as they say; nothing was changed.
 * @throws What the driver adapter throws, for everything else.
 * @example
 * ```ts
 * const rows = await directQuery<{ count: number }>(prisma, {
 *   text: 'UPDATE "Company" SET "count" = "count" - $2 WHERE "name" = $1 AND "count" >= $2 RETURNING "count"',
 *   values: ['Acme', 1],
 * })
 * if (rows.length === 0) console.log('nothing left')
 * ```
 * @see https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED
 */
export async function directQuery<Row = Record<string, unknown>>(prisma: object, statement: DirectStatement): Promise<Row[]> {
  const query = toQuery(statement)
  if (isTransactionClient(prisma)) {
    throw new LockNotSupportedError('`directQuery` commits by itself and cannot join a transaction; use `$queryRaw` on the `tx` there.')
  }
  const route = await findDirectRoute(prisma)
  if (!route) {
    throw new LockNotSupportedError(
      'The client has no direct way to its adapter; make it with `new PrismaClient({ adapter: lockable(adapter) })`.',
    )
  }
  try {
    return await send<Row>(route, query, { subject: 'the direct query' })
  } catch (error) {
    recordDeadlock(prisma, error)
    throw error
  }
}

/** As {@link directQuery}, for who has found the way already and knows what the statement is about. */
export function sendDirectly<Row>(route: DirectRoute, statement: DirectStatement, about: ErrorContext): Promise<Row[]> {
  return send<Row>(route, toQuery(statement), about)
}

async function send<Row>(route: DirectRoute, query: SqlQuery, { subject, model }: ErrorContext): Promise<Row[]> {
  try {
    return decodeRows(await route.send(query)) as Row[]
  } catch (error) {
    throw classifyError(error, { subject, model, autocommit: true }) ?? error
  }
}

function toQuery(statement: unknown): SqlQuery {
  const { text, values } = readable(statement, 'statement', () => {
    const { text, values } = (statement ?? {}) as Partial<DirectStatement>
    return { text, values }
  })
  if (typeof text !== 'string' || text.trim() === '') throw new InvalidOptionError('statement.text', text, 'SQL text')
  if (!isArray(values)) throw new InvalidOptionError('statement.values', values, 'an array of values')
  const args = readable(values, 'statement.values', () =>
    Array.from(values, (value, index) => toArgument(value, `statement.values[${index}]`)),
  )
  return { sql: text, args, argTypes: args.map(toArgumentType) }
}

// PostgreSQL's own limit, MAXDIM. An array that holds itself has more.
const MOST_DIMENSIONS = 6

function toArgument(value: unknown, path: string, depth = 1): unknown {
  if (value === undefined || typeof value === 'function' || typeof value === 'symbol') {
    throw new InvalidOptionError(path, value, 'a value that PostgreSQL has')
  }
  if (typeof value === 'bigint') return String(value)
  if (isArray(value)) {
    if (depth > MOST_DIMENSIONS) throw new InvalidOptionError(path, value, `an array of at most ${MOST_DIMENSIONS} dimensions`)
    return Array.from(value, (item, index) => toArgument(item, `${path}[${index}]`, depth + 1))
  }
  return isDecimal(value) ? value.toFixed() : value
}

// The adapter sends all but dates and bytes as text, and the server infers the types from the statement.
const toArgumentType = (arg: unknown): SqlQuery['argTypes'][number] => ({
  scalarType: 'unknown',
  arity: Array.isArray(arg) ? 'list' : 'scalar',
})

const isDecimal = (value: unknown): value is { toFixed(): string } =>
  typeof value === 'object' && value !== null && 'toFixed' in value && typeof value.toFixed === 'function'
