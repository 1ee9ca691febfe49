import { asksForTransactionState, type TransactionState } from '../adapter/transaction-state.js'
import { systemClock } from '../core/clock.js'
import { propertyOf, readable } from '../core/option-checks.js'
import { isRowLockError, LockNotSupportedError } from '../core/errors.js'
import { classifyError } from '../core/classify-error.js'
import { recordDeadlock } from '../transaction/deadlock-history.js'
import { createEmitter, type FindEmitter } from '../events/emitter.js'
import { parseRowLocksOptions, type RowLocksOptions } from '../events/row-locks-options.js'
import { findTransactionState } from '../transaction/open-transactions.js'
import { runTransaction, type TransactionFunction } from '../transaction/run-transaction.js'
import { isTransactionClient, opensAs, type RawQueryClient, type TransactionalClient } from '../transaction/transaction-client.js'
import type { TransactionOptions } from '../transaction/transaction-options.js'
import { withTransactionScope } from '../transaction/transaction-scope.js'
import type { AdvisoryLockKey } from '../sql/advisory-lock-key.js'
import { type AdvisoryLockOptions, takeAdvisoryLock } from './advisory-lock.js'
import { committingWrite } from './committing-write.js'
import type { RowLocksExtension } from './extension-types.js'
import { lockedFind, refuseLock, takesLock } from './locked-find.js'
import { isErrorOf, type QueryHookParams, toQueryCall } from './query-call.js'
import { readSchemaModels, type SchemaModel } from './schema-model.js'
import { updateOf, updatingFind } from './updating-find.js'
import { withLock, type WithLockOptions } from './with-lock.js'

type Extend = (this: unknown, extension: unknown) => object
type Client = TransactionalClient & { readonly $extends: Extend }
type Open = TransactionalClient['$transaction']
type Models = ReadonlyMap<string, SchemaModel>

// The name of a hidden model method by which a model finds the client it belongs to.
const CLIENT_OF_MODEL = '$rowlockClient'
// And of one by which it says what it is.
const SCHEMA_OF_MODEL = '$rowlockSchema'

/**
 * The Prisma Client extension that gives every find a `lock` option, and the client
 * `$transactionWithRetry`, `$advisoryLock` and `<model>.withLock`. Needs `lockable()` around the driver
 * adapter.
 *
 * Failures that have to do with locks, time limits and the connection arrive as `RowLockError`s on every
 * call of the extended client, with Prisma's error as their `cause`; all others stay Prisma's.
 *
 * @param options Who is told what happens: by events, and by OpenTelemetry's spans and metrics.
 * @throws {InvalidOptionError} for an option outside its range.
 * @example
 * ```ts
 * const adapter = lockable(new PrismaPg({ connectionString: process.env.DATABASE_URL }))
 * const prisma = new PrismaClient({ adapter }).$extends(rowLocks())
 *
 * await prisma.$transaction(async (tx) => {
 *   await tx.wallet.findUnique({ where: { userId: 1 }, include: { user: true }, lock: 'forUpdate' })
 * })
 * ```
 */
export function rowLocks(options?: RowLocksOptions): RowLocksExtension {
  const findEmitter = createEmitter(parseRowLocksOptions(options))
  return ((client: Client) => extendRemembering(client, client.$extends, extensionOf(client, findEmitter))) as unknown as RowLocksExtension
}

function extensionOf(client: Client, findEmitter: FindEmitter) {
  const models = readSchemaModels(client)
  const extend = client.$extends
  const open = client.$transaction
  return {
    name: 'rowlock',
    query: {
      async $allOperations(params: QueryHookParams) {
        const { transaction } = params.__internalParams ?? {}
        const state = transaction?.kind === 'itx' ? findTransactionState(transaction.id) : undefined
        const run = () => runQuery(params, models, state, findEmitter)
        if (state) return state.call(run)
        try {
          return await run()
        } catch (error) {
          recordDeadlock(client, error)
          throw error
        }
      },
    },
    client: {
      $transaction: opensAs(client, function (this: TransactionalClient, work: unknown, options?: object) {
        return openNoting(this, open, work, options)
      }),
      $transactionWithRetry<R>(this: TransactionalClient, fn: TransactionFunction<never, R>, options?: TransactionOptions) {
        return runTransaction(this, fn, options, systemClock, findEmitter())
      },
      $advisoryLock(this: RawQueryClient, key: AdvisoryLockKey, options?: AdvisoryLockOptions) {
        return takeAdvisoryLock(this, key, options, findEmitter())
      },
      $extends(this: object, extension: unknown) {
        return extendRemembering(this, extend, extension)
      },
    },
    model: {
      $allModels: {
        [SCHEMA_OF_MODEL](this: ModelOfClient) {
          return models.get(this.$name)
        },
        async withLock<R>(this: ModelOfClient, args: never, run: (row: unknown, tx: unknown) => Promise<R>, options?: WithLockOptions) {
          return withLock(clientOf(this), models.get(this.$name)!, args, run, options, findEmitter())
        },
      },
    },
  }
}

/** Notes that `work` is inside of a transaction, so that another one in it is refused. An array is no place to be inside of. */
function openNoting(client: TransactionalClient, open: Open, work: unknown, options: object | undefined): Promise<never> {
  if (typeof work !== 'function' || isTransactionClient(client)) return open.call(client, work as never, options) as Promise<never>
  return withTransactionScope(client, (inside) =>
    open.call(client, (tx: never) => inside(() => (work as (tx: never) => Promise<never>)(tx)), options),
  ) as Promise<never>
}

interface ExtensionObject {
  readonly model?: { readonly $allModels?: object }
}

/**
 * Extends a client so that its models can find it. Prisma gives a model method only the client's
 * parent, which lacks the last extension; a soft-delete filter added last must hold in `withLock` too.
 */
function extendRemembering(client: object, extend: Extend, extension: unknown): object {
  // A function extends the client by itself, and comes back here with the object it extends it with.
  if (typeof extension !== 'object' || extension === null) return extend.call(client, extension)
  const { model, ...rest } = extension as ExtensionObject
  const extended: object = extend.call(client, {
    ...rest,
    model: { ...model, $allModels: { ...model?.$allModels, [CLIENT_OF_MODEL]: () => extended } },
  })
  return extended
}

interface ModelOfClient {
  readonly $name: string
  readonly $parent: unknown
  [CLIENT_OF_MODEL](): TransactionalClient
}

function clientOf(model: ModelOfClient): TransactionalClient {
  if (isTransactionClient(model.$parent)) {
    throw new LockNotSupportedError(
      '`withLock` opens a transaction of its own and cannot run inside another one; use a find with `lock` on the open transaction.',
      { model: model.$name },
    )
  }
  return model[CLIENT_OF_MODEL]()
}

/** What is known of the model that `delegate` stands for, if it is one of a client with `rowLocks()`. */
export function schemaOfDelegate(delegate: unknown): SchemaModel | undefined {
  const schema = propertyOf(delegate, SCHEMA_OF_MODEL)
  return typeof schema === 'function' ? (schema.call(delegate) as SchemaModel | undefined) : undefined
}

async function runQuery(
  params: QueryHookParams,
  models: Models,
  state: TransactionState | undefined,
  findEmitter: FindEmitter,
): Promise<unknown> {
  const model = params.model === undefined ? undefined : models.get(params.model)
  const { lock, commit } = model ? readAsked(params.args) : NOTHING_ASKED
  const explained = (error: unknown) => reporting(explain(error, params), params, model, state, findEmitter)
  if (model && commit !== undefined) return committingWrite(toQueryCall(params, model), state, explained)
  if (model && lock !== undefined) {
    const call = toQueryCall(params, model, findEmitter())
    const update = updateOf(lock)
    if (update) return updatingFind(call, update)
    return takesLock(params.operation) ? lockedFind(call) : refuseLock(call)
  }
  try {
    return await params.query(params.args)
  } catch (error) {
    throw explained(error)
  }
}

interface Asked {
  readonly lock?: unknown
  readonly commit?: unknown
}

const NOTHING_ASKED: Asked = {}

/** What the call asks of rowlock. Arguments may have a prototype that throws. */
function readAsked(args: unknown): Asked {
  return readable(args, 'args', () => {
    const { lock, commit } = (args ?? NOTHING_ASKED) as Asked
    return { lock, commit }
  })
}

// Of a call that names no lock.
const REFUSED_LOCK: readonly string[] = ['LOCK_NOT_AVAILABLE', 'LOCK_TIMEOUT', 'DEADLOCK']

/** Tells the listeners, if there are any, of a write or raw SQL that did not get the lock it needed. */
function reporting(
  error: unknown,
  { args }: QueryHookParams,
  model: SchemaModel | undefined,
  state: TransactionState | undefined,
  findEmitter: FindEmitter,
): unknown {
  if (!isRowLockError(error) || !REFUSED_LOCK.includes(error.code) || rawTexts(args).some(asksForTransactionState)) return error
  const emitter = findEmitter()
  const { key, blockers = [] } = error
  const lock = { model: model?.name, table: model?.table, key, label: state?.label }
  emitter?.emit({ type: 'lock.refused', at: new Date(), ...lock, error, blockers }, emitter.currentScope())
  return error
}

function explain(error: unknown, { model, operation, args, __internalParams }: QueryHookParams): unknown {
  const transaction = __internalParams?.transaction
  if (!isErrorOf(error, transaction)) return error
  const key = model === undefined ? undefined : (args as { where?: unknown } | undefined)?.where
  const nowait = model === undefined && rawTexts(args).some((text) => /\bNOWAIT\b/i.test(text))
  const autocommit = transaction === undefined && !READS.test(operation)
  return classifyError(error, { model, key, nowait, autocommit }) ?? error
}

// The operations that change nothing, whatever their arguments.
const READS = /^(?:find|count|aggregate|groupBy)/

/** The texts of raw SQL. With the word NOWAIT in it, a refused lock is told from an expired wait. */
function rawTexts(args: unknown): readonly string[] {
  const { sql, strings } = (args ?? {}) as { sql?: unknown; strings?: readonly string[] }
  const texts: readonly unknown[] = typeof sql === 'string' ? [sql] : (strings ?? (Array.isArray(args) ? args : []))
  return texts.filter((text) => typeof text === 'string')
}
