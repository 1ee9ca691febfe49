import { isLockable } from '../../adapter/direct-route.js'
import type { SqlDriverAdapter, SqlDriverAdapterFactory } from '../../adapter/driver-adapter.js'
import { isObject, propertyOf } from '../../core/option-checks.js'

/** What a Prisma client says about itself. */
export interface ClientFacts {
  /** Whether its driver adapter is wrapped in `lockable()`. */
  readonly wrapped: boolean
  /** Whether it has the extension `rowLocks()`. */
  readonly extended: boolean
  readonly adapterName: string
  /** The version of `@prisma/client`. */
  readonly prismaVersion: string
  readonly transaction: TransactionDefaults
  /** Whether it sends prepared statements; undefined when it does not say. */
  readonly preparesStatements: boolean | undefined
  /** The options of its `pg` pool; undefined with another driver. */
  readonly pool: PoolOptions | undefined
  /** The text of its schema. */
  readonly schemaText: string | undefined
}

/** What a transaction of the client gets without options of its own. */
export interface TransactionDefaults {
  /** In milliseconds. */
  readonly timeout: number
  readonly isolationLevel: string | undefined
}

/** What is looked at of the options of a `pg.Pool`. */
export interface PoolOptions {
  /** Connections. */
  readonly max: number
  /** In milliseconds; 0 for none. */
  readonly queryTimeout: number
}

interface Internals {
  readonly adapter: SqlDriverAdapterFactory
  readonly transactionOptions?: { readonly timeout?: number; readonly isolationLevel?: string }
  readonly inlineSchema?: string
}

/** Whether `value` is a client of Prisma 7 on a driver adapter. */
export function isPrismaClient(value: unknown): value is object {
  const adapter = propertyOf(propertyOf(value, '_engineConfig'), 'adapter')
  return isObject(adapter) && typeof propertyOf(adapter, 'connect') === 'function'
}

/** @param pool The pool that the client's adapter sends by, where it has one. */
export function readClientFacts(client: object, pool: object | undefined): ClientFacts {
  const { adapter, transactionOptions, inlineSchema } = propertyOf(client, '_engineConfig') as Internals
  const prepares = propertyOf(adapter, 'preparesStatements')
  return {
    wrapped: isLockable(adapter),
    extended: typeof propertyOf(client, '$transactionWithRetry') === 'function',
    adapterName: adapter.adapterName,
    prismaVersion: String(propertyOf(client, '_clientVersion')),
    transaction: { timeout: transactionOptions?.timeout ?? 5_000, isolationLevel: transactionOptions?.isolationLevel },
    preparesStatements: typeof prepares === 'boolean' ? prepares : undefined,
    pool: pool && readPoolOptions(propertyOf(pool, 'options')),
    schemaText: typeof inlineSchema === 'string' ? inlineSchema : undefined,
  }
}

const readPoolOptions = (options: unknown): PoolOptions => ({
  max: Number(propertyOf(options, 'max') ?? 10),
  queryTimeout: Number(propertyOf(options, 'query_timeout') ?? 0),
})

/** The driver adapter behind a client, connected: with a pool of its own, or on the one that it was made with. */
export async function connectAdapter(client: object): Promise<SqlDriverAdapter> {
  return (propertyOf(client, '_engineConfig') as Internals).adapter.connect()
}

/** The `pg.Pool` of a driver adapter; undefined with another driver. */
export function poolOfAdapter(adapter: SqlDriverAdapter): object | undefined {
  const pool = (adapter as { underlyingDriver?: () => unknown }).underlyingDriver?.()
  return typeof propertyOf(pool, 'Client') === 'function' && isObject(propertyOf(pool, 'options')) ? (pool as object) : undefined
}
