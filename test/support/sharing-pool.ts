import type { Pool, PoolClient } from 'pg'
import type { PgClient, PgPool } from 'rowlock/lockers'

/** A pool behind a proxy that shares sessions. */
export interface SharingPool extends PgPool, AsyncDisposable {}

export interface SharingPoolOptions {
  /** How many sessions of the server there are for all clients. */
  readonly sessions: number
  /** What a client is told to be its process id: one that is made up, or that of the first session. Default: `'made up'`. */
  readonly announces?: 'made up' | 'the first'
  /** For how many statements all stay in the first session. Default: none. */
  readonly staysFor?: number
  /** Makes `pg_backend_pid()` tell what was announced: the check of who it is then sees nothing. Default: false. */
  readonly blind?: boolean
}

const MADE_UP = 424_242

/**
 * Clients that share a few sessions of the server as behind a proxy in transaction mode: each statement
 * outside a transaction goes to the next session in turn, each transaction stays where it began.
 */
export async function startSharingPool(pool: Pool, options: SharingPoolOptions): Promise<SharingPool> {
  const { sessions, announces = 'made up', staysFor = 0, blind = false } = options
  const servers = await Promise.all(Array.from({ length: sessions }, () => pool.connect()))
  const processID = announces === 'made up' ? MADE_UP : (servers[0] as PgClient).processID!
  let statements = 0
  const nextServer = () => servers[Math.max(0, ++statements - staysFor) % servers.length]!
  const connect = async (): Promise<PgClient> => {
    let own: PoolClient | undefined
    return {
      processID,
      async query(text, values) {
        const server = own ?? nextServer()
        if (text.startsWith('BEGIN')) own = server
        if (/^(COMMIT|ROLLBACK)/.test(text)) own = undefined
        return server.query(blind ? text.replaceAll('pg_backend_pid()', String(processID)) : text, values)
      },
      on: () => undefined,
      removeListener: () => undefined,
      release: () => undefined,
    }
  }
  return {
    totalCount: 0,
    connect,
    async [Symbol.asyncDispose]() {
      for (const server of servers) server.release(true)
    },
  }
}
