import type { RowLock } from '../core/lock-option.js'
import { quoteIdentifier } from './identifier.js'
import { lockingClause } from './locking-clause.js'
import { type SelectStatement, withCondition } from './select-statement.js'

/** A column that holds a moment: `timestamptz`, or `timestamp` in UTC, as Prisma writes it. */
export interface TimeColumn {
  readonly name: string
  readonly withTimeZone: boolean
}

/** A moment that must have come, by the server's clock, for a row to be updated. */
export interface DueTime {
  readonly column: TimeColumn
  /** Whether a row without such a moment is updated as well. */
  readonly orNull: boolean
}

/** What a column is set to. */
export type Assignment =
  | { readonly kind: 'nextNumber' | 'null'; readonly column: string }
  | { readonly kind: 'text'; readonly column: string; readonly text: string }
  /** The server's clock, `after` milliseconds from now. */
  | { readonly kind: 'time'; readonly column: TimeColumn; readonly after: number }

/** What to do to the rows that a SELECT finds, in the same statement. */
export interface RowUpdate {
  readonly lock: RowLock
  /** The columns of a key. */
  readonly key: readonly string[]
  /** Conditions beside the SELECT's own. */
  readonly due: readonly DueTime[]
  readonly assignments: readonly Assignment[]
  /** The most rows that the SELECT may find. */
  readonly limit: number
}

export interface UpdateStatement {
  readonly sql: string
  /** The values of the parameters after those of the SELECT. */
  readonly values: readonly (number | string)[]
}

/**
 * Turns a SELECT into one statement that locks the rows it finds, updates them, and returns them as they
 * are then, in the SELECT's order; a last column with that order is added.
 *
 * The rows are picked in a CTE, which is run once. A subquery in the UPDATE's own WHERE or FROM may be run
 * again for every row of the table, and as it skips the rows that it has updated, picks others each time: more
 * than its LIMIT. Rows are found again by key and not by `ctid`, as a row that was changed since the statement's
 * snapshot was taken has moved.
 *
 * @param parameters How many parameters the SELECT has.
 */
export function updatingStatement(statement: SelectStatement, update: RowUpdate, parameters: number): UpdateStatement {
  const { selectList, body, offsetPlaceholder, rootAlias, rootTable } = statement
  const { key, due, assignments, lock } = update
  const values: (number | string)[] = []
  const parameter = (value: number | string) => `$${parameters + values.push(value)}`
  const column = (name: string) => `${rootAlias}.${quoteIdentifier(name)}`

  const keys = key.map((name, index) => `${column(name)} AS "key${index}"`).join(', ')
  const found = due.length === 0 ? body : withCondition(body, due.map((time) => isDue(time, column)).join(' AND '))
  const changes = assignments.map((assignment) => assign(assignment, column, parameter)).join(', ')
  const sameKey = key.map((name, index) => `${column(name)} = "rowlock.picked"."key${index}"`).join(' AND ')
  const sql =
    `WITH "rowlock.locked" AS MATERIALIZED (SELECT ${keys} ${found} OFFSET $${offsetPlaceholder} ${lockingClause(lock, rootAlias)}), ` +
    `"rowlock.picked" AS (SELECT *, row_number() OVER () AS "rowlock.position" FROM "rowlock.locked"), ` +
    `"rowlock.updated" AS (UPDATE ${rootTable} SET ${changes} FROM "rowlock.picked" WHERE ${sameKey} ` +
    `RETURNING ${selectList.slice('SELECT '.length).trimEnd()}, "rowlock.picked"."rowlock.position") ` +
    `SELECT * FROM "rowlock.updated" ORDER BY "rowlock.position"`
  return { sql, values }
}

type Column = (name: string) => string

function isDue({ column: { name, withTimeZone }, orNull }: DueTime, column: Column): string {
  const come = `${column(name)} <= ${clock(withTimeZone)}`
  return orNull ? `(${column(name)} IS NULL OR ${come})` : come
}

function assign(assignment: Assignment, column: Column, parameter: (value: number | string) => string): string {
  switch (assignment.kind) {
    case 'nextNumber':
      return `${quoteIdentifier(assignment.column)} = ${column(assignment.column)} + 1`
    case 'null':
      return `${quoteIdentifier(assignment.column)} = NULL`
    case 'text':
      return `${quoteIdentifier(assignment.column)} = ${parameter(assignment.text)}::text`
    case 'time': {
      const { column: target, after } = assignment
      return `${quoteIdentifier(target.name)} = ${clock(target.withTimeZone)} + ${parameter(after)}::float8 * interval '1 millisecond'`
    }
  }
}

/**
 * The server's clock. In a subquery it is read once a statement, so that an index can be searched for it;
 * and after the wait for a lock, where it is assigned. Without a schema, so that a test may put a clock of
 * its own before it.
 */
const clock = (withTimeZone: boolean) => `(SELECT clock_timestamp()${withTimeZone ? '' : ` AT TIME ZONE 'UTC'`})`
