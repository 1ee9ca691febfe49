import type postgres from 'postgres'
import { quoteIdentifier } from '../sql/identifier.js'

/**
 * What a database of `startDatabase` says of itself, as its comment. It names the database: one that was renamed, or
 * a copy under another name, is not marked any more.
 */
export const scratchMark = (name: string): string => `Made by rowlock as ${name}, to be thrown away.`

/** The statement that marks a database. */
export function markStatement(name: string): string {
  return `COMMENT ON DATABASE ${quoteIdentifier(name)} IS '${scratchMark(name).replaceAll("'", "''")}'`
}

export async function markAsScratch(sql: postgres.Sql, name: string): Promise<void> {
  await sql.unsafe(markStatement(name))
}

/** Asks a session in which database it is, and what that says of itself. */
export const READ_MARK = `SELECT current_database() AS name, shobj_description(oid, 'pg_database') AS mark
  FROM pg_database WHERE datname = current_database()`
