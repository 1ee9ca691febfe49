import { PrismaPg } from '@prisma/adapter-pg'
import type { SqlDriverAdapterFactory } from '@prisma/client/runtime/client'
import { Pool } from 'pg'
import { lockable, rowLocks } from 'rowlock'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import type { TestDatabase } from '../database.js'
import { POOLED } from '../through-pooler.js'

/** What to do to the statements between rowlock and the driver. */
export interface Tampering {
  /** Changes a statement before it is sent. */
  readonly rewrite?: (sql: string) => string
  /** Runs before a statement, as rowlock sent it, goes on to the driver; may throw in its place. */
  readonly before?: (sql: string) => unknown
  /** Runs once a statement is done and before its answer goes back; may throw in its place. */
  readonly after?: (sql: string) => unknown
  /** Told of a statement that has failed. */
  readonly failed?: (sql: string, error: unknown) => void
}

type Adapter = Awaited<ReturnType<SqlDriverAdapterFactory['connect']>>
type Queryable = Pick<Adapter, 'queryRaw' | 'executeRaw'>

/** A client with row locks whose statements are tampered with below rowlock. */
export function createTamperedClient(database: TestDatabase, tampering: Tampering, { poolSize = 10 } = {}) {
  const pool = database.watch(new Pool({ connectionString: database.url, max: poolSize, application_name: 'tampered' }))
  // A killed connection also reports to the pool, which must not end the process.
  pool.on('error', () => undefined)
  return { prisma: new PrismaClient({ adapter: lockable(tampered(new PrismaPg(pool), tampering), POOLED) }).$extends(rowLocks()), pool }
}

/** Ends all connections of the database's tampered clients, in the server. */
export async function killTamperedClients({ sql }: TestDatabase): Promise<void> {
  await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tampered'`
}

/** The adapter below rowlock, with its statements tampered with. */
export function tampered(factory: SqlDriverAdapterFactory, tampering: Tampering): SqlDriverAdapterFactory {
  return override(factory, {
    async connect() {
      const adapter = await factory.connect()
      return override(adapter, {
        ...tamperedStatements(adapter, tampering),
        async startTransaction(...args: Parameters<Adapter['startTransaction']>) {
          await tampering.before?.('BEGIN')
          const transaction = await adapter.startTransaction(...args)
          return override(transaction, tamperedStatements(transaction, tampering))
        },
      })
    },
  })
}

function tamperedStatements(inner: Queryable, { rewrite = (sql) => sql, before, after, failed }: Tampering): Queryable {
  const run = async <T>(sql: string, send: (sql: string) => Promise<T>): Promise<T> => {
    await before?.(sql)
    const result = await send(rewrite(sql)).catch((error: unknown) => {
      failed?.(sql, error)
      throw error
    })
    await after?.(sql)
    return result
  }
  return {
    queryRaw: (query) => run(query.sql, (sql) => inner.queryRaw({ ...query, sql })),
    executeRaw: (query) => run(query.sql, (sql) => inner.executeRaw({ ...query, sql })),
  }
}

function override<T extends object>(target: T, overrides: Partial<T>): T {
  return new Proxy(target, {
    get(_, key) {
      const value = (overrides as T)[key as keyof T] ?? target[key as keyof T]
      return typeof value === 'function' && !(key in overrides) ? (value.bind(target) as unknown) : value
    },
  })
}

const LOCKING_CLAUSE = / FOR (?:NO KEY UPDATE|UPDATE|KEY SHARE|SHARE)(?: OF [^ ]+)?(?: NOWAIT| SKIP LOCKED)?/g

/** The statement without its locking clause: its rows are read and nothing is locked. */
export const withoutLocks = (sql: string): string => sql.replace(LOCKING_CLAUSE, '')

/** Whether the statement locks rows of `table`. */
export const locksRowsOf = (table: string, sql: string): boolean =>
  sql.search(LOCKING_CLAUSE) >= 0 && sql.includes(`FROM "public"."${table}"`)

/** The statement without its guard: an UPDATE of whatever the row holds, an INSERT that fails on a duplicate. */
export function withoutGuards(sql: string): string {
  if (sql.startsWith('INSERT')) return sql.replace(' ON CONFLICT DO NOTHING', '')
  if (!sql.startsWith('UPDATE')) return sql
  return sql.replace(/"[^ ]+" [<>]= (\$\d+)/g, '$1::text IS NOT NULL').replace(/"[^ ]+" IS NULL/g, 'TRUE')
}
