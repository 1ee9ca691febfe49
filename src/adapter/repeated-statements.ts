import { errorSqlState } from '../core/error-sql-state.js'
import { SQL_STATE } from '../core/sql-state.js'
import type { SqlQuery } from './driver-adapter.js'

// A text is named when it comes for the third time.
const USES = 3
// The server keeps each for the life of the connection, some 10 to 50 kB; the client's side of it has no end to one.
const MAX_NAMED = 200
const MAX_COUNTED = 1_000
const MAX_LENGTH = 8_192

/**
 * The statements of one driver adapter that are worth a name: PostgreSQL then parses and plans each once a
 * connection. A text is one that comes again: neither one of many, as with values or a trace in it, nor one
 * without parameters, which may be several statements.
 */
export class RepeatedStatements {
  readonly #uses = new Map<string, number>()
  readonly #named = new Set<string>()
  readonly #unnamed = new Set<string>()
  #refused = false

  /** Whether the text came often enough; asked once for each time it is sent. */
  isRepeated({ sql, args }: SqlQuery): boolean {
    if (this.#named.has(sql)) return true
    if (this.#named.size >= MAX_NAMED || args.length === 0 || sql.length > MAX_LENGTH) return false
    const uses = (this.#uses.get(sql) ?? 0) + 1
    this.#uses.delete(sql)
    if (uses >= USES) return true
    this.#uses.set(sql, uses)
    if (this.#uses.size > MAX_COUNTED) this.#uses.delete(this.#uses.keys().next().value!)
    return false
  }

  /** Notes that a text is to be named, unless it can no longer be. */
  mayName(sql: string): boolean {
    if (this.#refused || this.#unnamed.has(sql)) return false
    this.#named.add(sql)
    return true
  }

  /**
   * Whether a statement failed because of its name, and names it no more: a migration has changed the type of
   * what it returns, or a pooler does not carry names from one server connection to the next.
   */
  failedByName({ sql }: SqlQuery, error: unknown): boolean {
    if (!this.#named.has(sql)) return false
    const sqlState = errorSqlState(error)
    if (sqlState === SQL_STATE.unknownStatementName || sqlState === SQL_STATE.duplicateStatementName) this.#refused = true
    else if (sqlState === SQL_STATE.featureNotSupported) this.#unnamed.add(sql)
    else return false
    return true
  }

  /** Sends a statement outside a transaction: where its name is what failed, again without it. Nothing was done then. */
  async send<T>(query: SqlQuery, send: (query: SqlQuery) => Promise<T>): Promise<T> {
    try {
      return await send(query)
    } catch (error) {
      if (!this.failedByName(query, error)) throw error
      return send(query)
    }
  }
}
