import type { ITXClientDenyList, Types } from '@prisma/client/runtime/client'
import type { LockOption } from '../core/lock-option.js'
import type { AdvisoryLockKey } from '../sql/advisory-lock-key.js'
import type { TransactionFunction } from '../transaction/run-transaction.js'
import type { TransactionClientOf } from '../transaction/transaction-client.js'
import type { TransactionOptions } from '../transaction/transaction-options.js'
import type { AdvisoryLockOptions } from './advisory-lock.js'

// The methods below take the places of Prisma's own. `$extends` loses what a method's `this` was made
// from, so that they get the type map back by matching `this` with Prisma's type of a model; that works
// only against Prisma's own alias, an alias for it matches nothing and every result becomes `any`.
type TypeMapDef = Record<any, any>
type ExtensionArgs = Record<string, any>
type FindArgs<
  TypeMap extends TypeMapDef,
  M extends PropertyKey,
  Operation extends PropertyKey,
> = TypeMap['model'][M]['operations'][Operation]['args'] & Lockable

/** What a find takes with `rowLocks()`: Prisma's own arguments, and how to lock the rows it returns. */
export interface Lockable {
  /**
   * Locks the returned rows until the transaction ends: `'forUpdate'`, `'forNoKeyUpdate'`, `'forShare'`
   * or `'forKeyShare'`, or an object that adds how to wait: `{ strength, nowait: true }`,
   * `{ strength, skipLocked: true }` or `{ strength, timeout: milliseconds }`. Only in a transaction.
   *
   * Related rows of an `include` are read after the lock is granted and are not locked. Rows that `skip`
   * steps over are locked too: PostgreSQL locks before it counts them off.
   */
  lock?: LockOption
}

/** Says in a sentence, at the wrong property, what PostgreSQL refuses. */
type RefuseDistinct<A> = A extends { lock: unknown; distinct: unknown }
  ? { distinct: 'distinct cannot be combined with lock: PostgreSQL cannot lock the rows of a DISTINCT query' }
  : unknown

/** `Args`, without any key that it does not have, at any depth. */
type ExactArgs<A, Args> = Types.Utils.Exact<A, Args> & RefuseDistinct<A>

type WithLockArgs<TypeMap extends TypeMapDef, M extends PropertyKey> = Omit<
  FindArgs<TypeMap, M, 'findFirstOrThrow'>,
  'where' | 'distinct'
> & {
  where: FindArgs<TypeMap, M, 'findUniqueOrThrow'>['where'] | NonNullable<FindArgs<TypeMap, M, 'findFirstOrThrow'>['where']>
}

type RowOf<TypeMap extends TypeMapDef, M extends PropertyKey, A> = Types.Extensions.DynamicModelExtensionFnResultBase<
  TypeMap,
  M,
  A,
  'findFirstOrThrow'
>

type TransactionClient<TypeMap extends TypeMapDef, Ext extends ExtensionArgs> = Omit<
  Types.Extensions.DynamicClientExtensionThis<TypeMap, any, Ext>,
  ITXClientDenyList
>

// `A` has a default and no constraint: it is inferred while the type map still is, and a constraint that is
// not known yet widens `'forUpdate'` to `string` and drops `select` from the result.
// Type aliases, not interfaces: `$extends` takes only types with an implicit index signature.
type LockableModel = {
  findUnique: () => <TypeMap extends TypeMapDef, M extends PropertyKey, Ext extends ExtensionArgs, A = FindArgs<TypeMap, M, 'findUnique'>>(
    this: Types.Extensions.DynamicModelExtensionThis<TypeMap, M, Ext>,
    args: ExactArgs<A, FindArgs<TypeMap, M, 'findUnique'>>,
  ) => Types.Extensions.DynamicModelExtensionFnResult<TypeMap, M, A, 'findUnique', null>

  findUniqueOrThrow: () => <
    TypeMap extends TypeMapDef,
    M extends PropertyKey,
    Ext extends ExtensionArgs,
    A = FindArgs<TypeMap, M, 'findUniqueOrThrow'>,
  >(
    this: Types.Extensions.DynamicModelExtensionThis<TypeMap, M, Ext>,
    args: ExactArgs<A, FindArgs<TypeMap, M, 'findUniqueOrThrow'>>,
  ) => Types.Extensions.DynamicModelExtensionFnResult<TypeMap, M, A, 'findUniqueOrThrow', never>

  findFirst: () => <TypeMap extends TypeMapDef, M extends PropertyKey, Ext extends ExtensionArgs, A = FindArgs<TypeMap, M, 'findFirst'>>(
    this: Types.Extensions.DynamicModelExtensionThis<TypeMap, M, Ext>,
    args?: ExactArgs<A, FindArgs<TypeMap, M, 'findFirst'>>,
  ) => Types.Extensions.DynamicModelExtensionFnResult<TypeMap, M, A, 'findFirst', null>

  findFirstOrThrow: () => <
    TypeMap extends TypeMapDef,
    M extends PropertyKey,
    Ext extends ExtensionArgs,
    A = FindArgs<TypeMap, M, 'findFirstOrThrow'>,
  >(
    this: Types.Extensions.DynamicModelExtensionThis<TypeMap, M, Ext>,
    args?: ExactArgs<A, FindArgs<TypeMap, M, 'findFirstOrThrow'>>,
  ) => Types.Extensions.DynamicModelExtensionFnResult<TypeMap, M, A, 'findFirstOrThrow', never>

  findMany: () => <TypeMap extends TypeMapDef, M extends PropertyKey, Ext extends ExtensionArgs, A = FindArgs<TypeMap, M, 'findMany'>>(
    this: Types.Extensions.DynamicModelExtensionThis<TypeMap, M, Ext>,
    args?: ExactArgs<A, FindArgs<TypeMap, M, 'findMany'>>,
  ) => Types.Extensions.DynamicModelExtensionFnResult<TypeMap, M, A, 'findMany', never>

  /**
   * Opens a transaction as `$transactionWithRetry` does, locks one row, runs `run` with the row and the
   * transaction, and commits. The lock is released when the transaction ends.
   *
   * @param args What to lock: the arguments of `findUniqueOrThrow` or `findFirstOrThrow`. `lock` defaults
   *   to `'forNoKeyUpdate'`, which lets others insert rows that refer to this one.
   * @param options As of `$transactionWithRetry`, and `lock` in place of `args.lock`.
   * @throws {RecordNotFoundError} when no row matches.
   * @throws All that `$transactionWithRetry` throws.
   * @example
   * ```ts
   * await prisma.wallet.withLock({ where: { userId: 1 } }, async (wallet, tx) => {
   *   await tx.wallet.update({ where: { id: wallet.id }, data: { balance: { decrement: 5 } } })
   * })
   * ```
   */
  withLock: () => <TypeMap extends TypeMapDef, M extends PropertyKey, Ext extends ExtensionArgs, R, A = WithLockArgs<TypeMap, M>>(
    this: Types.Extensions.DynamicModelExtensionThis<TypeMap, M, Ext>,
    args: Types.Utils.Exact<A, WithLockArgs<TypeMap, M>>,
    run: (row: RowOf<TypeMap, M, A>, tx: TransactionClient<TypeMap, Ext>) => Promise<R>,
    options?: TransactionOptions & Lockable,
  ) => Promise<R>
}

type LockableClient = {
  /**
   * Runs `fn` in a transaction whose lock waits are bounded, commits, and returns what `fn` returned. A
   * deadlock, a serialization failure, or a connection lost before COMMIT was sent runs the whole of
   * `fn` again, in a new transaction, after a pause of random length: `fn` must not do anything that
   * the rollback does not undo.
   *
   * @param fn Gets the transaction client and `{ attempt, signal }`.
   * @throws {DeadlockError | SerializationError | ConnectionLostError} with `retry: false`.
   * @throws {RetryExhaustedError} when every attempt failed with an error of `retry.on`.
   * @throws {LockTimeoutError} when a lock was not granted within `lockTimeout`.
   * @throws {LockNotAvailableError} when a lock asked for with `nowait` is held by another transaction.
   * @throws {TransactionExpiredError} when an attempt took longer than `timeout`.
   * @throws {PoolTimeoutError} when no connection came free within `maxWait`.
   * @throws {StatementTimeoutError} when the server cancelled a statement.
   * @throws {AmbiguousCommitError} when the connection died while committing.
   * @throws {LockNotSupportedError} inside another transaction, or without `lockable()` on the adapter.
   * @throws {InvalidOptionError} for an option outside its range.
   * @throws The signal's reason when `signal` is aborted, and whatever `fn` throws.
   * @example
   * ```ts
   * const left = await prisma.$transactionWithRetry(async (tx) => {
   *   const wallet = await tx.wallet.findUniqueOrThrow({ where: { userId: 1 }, lock: 'forNoKeyUpdate' })
   *   return (await tx.wallet.update({ where: { id: wallet.id }, data: { balance: { decrement: 5 } } })).balance
   * })
   * ```
   */
  $transactionWithRetry: () => <Client, R>(
    this: Client,
    fn: TransactionFunction<TransactionClientOf<Client>, R>,
    options?: TransactionOptions,
  ) => Promise<R>

  /**
   * Takes a transaction-scoped advisory lock: a lock on a name instead of a row, held until the
   * transaction ends. Callers that use the same key exclude each other; nothing else is affected.
   *
   * @param key A string, whole number, bigint, or a tuple of these; see `advisoryLockKey`.
   * @throws {LockOutsideTransactionError} outside a transaction.
   * @throws {LockNotAvailableError} with `nowait`, when the lock is held; the transaction stays usable.
   * @throws {LockTimeoutError} when the lock was not granted within `timeout`.
   * @throws {InvalidOptionError} for a key or option that is not allowed.
   * @example
   * ```ts
   * await prisma.$transaction(async (tx) => {
   *   await tx.$advisoryLock(['invoice', 2026], { timeout: 1_000 })
   * })
   * ```
   * @see https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
   */
  $advisoryLock: () => (key: AdvisoryLockKey, options?: AdvisoryLockOptions) => Promise<void>
}

/** What `rowLocks()` adds to a client, in the form that `$extends` reads. */
export type RowLocksExtensionArgs = {
  result: {}
  model: { $allModels: LockableModel }
  query: {}
  client: LockableClient
}

/** The extension that {@link rowLocks} returns; give it to `$extends`. */
export type RowLocksExtension = (client: any) => { $extends: { extArgs: RowLocksExtensionArgs } }
