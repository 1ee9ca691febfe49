import { createHash } from 'node:crypto'
import type { SqlDriverAdapter, SqlQuery } from './driver-adapter.js'
import type { RepeatedStatements } from './repeated-statements.js'

type NameStatement = (query: SqlQuery) => string | undefined

interface PgAdapter {
  pgOptions?: { readonly statementNameGenerator?: NameStatement }
}

const PREPARED = new WeakSet<SqlQuery>()
const names = new Map<string, string>()

/** Marks a statement to be prepared: its text must be one of a few, as the server keeps each for the life of the connection. */
export function prepared(query: SqlQuery): SqlQuery {
  PREPARED.add(query)
  return query
}

/**
 * Lets `@prisma/adapter-pg` send marked and repeated statements under a name: PostgreSQL then parses and plans each
 * once a connection, which is more than half of the work of a short one. All others go as they would have gone,
 * and where the adapter was given names for them, so do the repeated ones.
 */
export function nameStatements(adapter: SqlDriverAdapter, repeated: RepeatedStatements): void {
  if (adapter.adapterName !== '@prisma/adapter-pg' || !('pgOptions' in adapter)) return
  const pg = adapter as PgAdapter
  const theirs = pg.pgOptions?.statementNameGenerator
  const isChosen = (query: SqlQuery) => PREPARED.has(query) || (!theirs && repeated.isRepeated(query))
  const statementNameGenerator: NameStatement = (query) =>
    isChosen(query) && repeated.mayName(query.sql) ? nameOf(query.sql) : theirs?.(query)
  pg.pgOptions = { ...pg.pgOptions, statementNameGenerator }
}

// By the text: a pooler may hand the same server connection to several processes.
function nameOf(sql: string): string {
  const name = names.get(sql) ?? `rowlock_${createHash('sha256').update(sql).digest('hex').slice(0, 32)}`
  names.set(sql, name)
  return name
}
