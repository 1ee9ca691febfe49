import type { ITXClientDenyList, Types } from '@prisma/client/runtime/client'
import type { LockAndWait, LockOrFail, LockOrSkip, LockStrength, LockWithin } from '../core/lock-option.js'
import type { AdvisoryLockKey } from '../sql/advisory-lock-key.js'
import type { TransactionFunction } from '../transaction/run-transaction.js'
import type { TransactionClientOf } from '../transaction/transaction-client.js'
import type { TransactionOptions } from '../transaction/transaction-options.js'
import type { AdvisoryLockOptions } from './advisory-lock.js'
import type { WithLockOptions } from './with-lock.js'

/** What a find takes with `rowLocks()`: Prisma's own arguments, and how to lock the rows it returns. */
export interface Lockable {
  /**
   * Locks the returned rows until the transaction ends: `'forUpdate'`, `'forNoKeyUpdate'`, `'forShare'`
   * or `'forKeyShare'`, or an object that adds how to wait: `{ strength, nowait: true }`,
   * `{ strength, skipLocked: true }` or `{ strength, timeout: milliseconds }`. Only in a transaction.
   * Default: no lock.
   *
   * | strength | take it to | others can still |
   * |---|---|---|
   * | `'forNoKeyUpdate'` | edit the row | insert rows that refer to it |
   * | `'forUpdate'` | delete it or change its key | read it without a lock |
   * | `'forShare'` | keep it as it is while you look | share it |
   * | `'forKeyShare'` | keep it from vanishing | edit it, but not its key |
   *
   * Related rows of an `include` are read after the lock is granted and are not locked. Rows that `skip`
   * steps over are locked too: PostgreSQL locks before it counts them off.
   *
   * @example
   * ```ts
   * await prisma.$transaction(async (tx) => {
   *   await tx.wallet.findUnique({ where: { id: 1 }, lock: 'forNoKeyUpdate' })
   *   await tx.ticket.findFirst({ where: { userId: null }, lock: { strength: 'forUpdate', skipLocked: true } })
   * })
   * ```
   * @see https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS
   */
  lock?: LockStrength | LockAndWait | LockOrFail | LockOrSkip | LockWithin
}

/**
 * What a write takes with `rowLocks()`: Prisma's own arguments, and whether it is the last of its transaction.
 *
 * @throws {CommitNotSupportedError} where that cannot be, as {@link Committing.commit | commit} says; nothing was sent.
 */
export interface Committing {
  /**
   * Sends COMMIT together with this call, in one round trip: for the last call of a transaction of
   * `$transactionWithRetry` or `withLock`. When the statement fails, nothing is committed. When the call is
   * answered, the transaction is committed and its locks are released; what `fn` throws after it is an
   * `AlreadyCommittedError` and not retried, and further calls are refused. Default: false.
   *
   * Refused with a `CommitNotSupportedError`, and nothing sent, when the call takes more than one statement (relations in
   * `data`, `select` or `include`), when others are under way or begin before it is sent, in a nested `$transaction`, and with
   * another driver than `pg` by way of `@prisma/adapter-pg`.
   *
   * @example
   * ```ts
   * await prisma.$transactionWithRetry(async (tx) => {
   *   await tx.wallet.update({ where: { userId: 1 }, data: { balance: { decrement: 5 } } })
   *   await tx.company.update({ where: { name: 'Acme' }, data: { count: { increment: 1 } }, commit: true })
   * })
   * ```
   * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
   */
  commit?: boolean
}

type Find = 'findUnique' | 'findUniqueOrThrow' | 'findFirst' | 'findFirstOrThrow' | 'findMany'

/**
 * What every model of a Prisma client says about itself. Code rarely names it: the compiler does, in the declarations of a
 * module that exports a client with `rowLocks()`.
 */
export type PrismaModel = { [K: symbol]: { types: { operations: any; payload: any } } }

type CommittingWrite =
  'create' | 'createMany' | 'createManyAndReturn' | 'update' | 'updateMany' | 'updateManyAndReturn' | 'delete' | 'deleteMany'

type Write = CommittingWrite | 'upsert'

// Not exported: the declaration of a client would have to name it.
type Args<T extends PrismaModel, Operation extends Find | Write> = T[symbol]['types']['operations'][Operation]['args']

type CommittingArgs<T extends PrismaModel, Operation extends CommittingWrite> = Args<T, Operation> & Committing

/** Never there: the model as it was, which has the alias that {@link ResultOfModel} needs. */
declare const DELEGATE: unique symbol

/** The writes of a model with `commit`, beside those without. */
type CommittingModel<T extends PrismaModel> = { readonly [DELEGATE]?: T } & {
  [Operation in CommittingWrite]: <A = CommittingArgs<T, Operation>>(
    args: Types.Utils.Exact<A, CommittingArgs<T, Operation>> & RefuseInclude<A> & { commit: boolean },
  ) => ResultOfModel<T, A, Operation, never>
}

// `in out`: to find out by itself how it varies, TypeScript compares all that Prisma's types make of a model that it knows
// nothing about, which takes it longer than the queries of forty models. Prisma's own signatures come first, as most writes
// do not commit: each of the others would be tried against ours as well.
/** A transaction client whose writes take `commit`, as `$transactionWithRetry` and `withLock` pass it. */
export type CommittingClient<in out Tx> = {
  [K in keyof Tx]: Tx[K] extends PrismaModel ? Tx[K] & CommittingModel<Tx[K]> : Tx[K]
}

type FindArgs<T extends PrismaModel, Operation extends Find> = Args<T, Operation> & Lockable

/** `Args`, without any key that it does not have, at any depth. */
type ExactArgs<A, Args> = Types.Utils.Exact<A, Args> & RefuseDistinct<A> & RefuseLockOption<A>

/**
 * `Args`, without any key that it does not have, at any depth, and with all that it requires. As a condition on `A`: an `Args`
 * that is not known yet would have `true` inferred as `boolean`.
 */
type CompleteArgs<A, Args> = Types.Utils.Exact<A, Args> & (A extends Args ? unknown : Args)

/** Says in a sentence, at the wrong property, what PostgreSQL refuses. */
type RefuseDistinct<A> = A extends { lock: {}; distinct: {} }
  ? { distinct: 'distinct cannot be combined with lock: PostgreSQL cannot lock the rows of a DISTINCT query' }
  : unknown

type LockOptionKey = 'strength' | 'nowait' | 'skipLocked' | 'timeout'

/** Says in a sentence, at the wrong property, what a lock takes. */
type RefuseLockOption<A> = A extends { lock: infer L extends object }
  ? keyof L extends LockOptionKey
    ? unknown
    : {
        lock: Record<
          Exclude<keyof L, LockOptionKey>,
          'no option of a lock, which takes strength, and one of nowait, skipLocked and timeout'
        >
      }
  : unknown

/** Says in a sentence, at the wrong property, what cannot be sent with COMMIT. */
type RefuseInclude<A> = A extends { commit: true; include: {} }
  ? { include: 'include cannot be combined with commit: related rows are read by further statements' }
  : unknown

/** `Exact` lets `{}` pass where a `where` is needed. */
type Named = { where: {} }

// Only the alias by which Prisma names a model's type leads back to what the model was made from: the
// fields that the client omits everywhere, its fluent API and its other extensions. TypeScript finds it
// by name, and infers `PropertyKey` when a type has lost it, such as an intersection with a model.
type ResultOfDelegate<T extends PrismaModel, A, Operation extends Find | Write, Null> =
  T extends Types.Extensions.DynamicModelExtensionThis<infer TypeMap, infer M extends PropertyKey, any>
    ? PropertyKey extends M
      ? Types.Public.PrismaPromise<PrismaModel extends T ? any : Types.Public.Result<T, A, Operation>>
      : Types.Extensions.DynamicModelExtensionFnResult<TypeMap, M, A, Operation, Null>
    : never

/** The model itself, of one of a transaction client whose writes take `commit`. */
export type DelegateOf<T> = T extends { readonly [DELEGATE]?: infer D extends PrismaModel } ? (PrismaModel extends D ? T : D) : T

/**
 * What a call of a model returns, with what the client omits, and what its extensions add to the rows. Code rarely names it: the
 * compiler does, as it does with {@link PrismaModel}.
 */
export type ResultOfModel<T extends PrismaModel, A, Operation extends Find | Write, Null> =
  DelegateOf<T> extends infer D extends PrismaModel ? ResultOfDelegate<D, A, Operation, Null> : never

type WithLockArgs<T extends PrismaModel> = Omit<FindArgs<T, 'findFirstOrThrow'>, 'where' | 'distinct'> & {
  where: FindArgs<T, 'findUniqueOrThrow'>['where'] | NonNullable<FindArgs<T, 'findFirstOrThrow'>['where']>
}

type TransactionClientOfModel<T extends PrismaModel> =
  T extends Types.Extensions.DynamicModelExtensionThis<infer TypeMap, infer M extends PropertyKey, infer Ext>
    ? PropertyKey extends M
      ? unknown
      : Omit<Types.Extensions.DynamicClientExtensionThis<TypeMap, any, Ext>, ITXClientDenyList>
    : unknown

/**
 * What `rowLocks()` adds to every model: finds that take `lock`, and `withLock`.
 *
 * A find with `lock` returns its rows locked until the transaction ends, or throws and has locked nothing that the
 * transaction's rollback does not release. Without `lock` it is Prisma's own.
 *
 * @throws {LockNotAvailableError} with `nowait`, when another transaction holds a conflicting lock.
 * @throws {LockTimeoutError} when the lock was not granted within `timeout`, or the transaction's `lock_timeout`.
 * @throws {DeadlockError} when PostgreSQL chose this transaction as the victim of a deadlock.
 * @throws {SerializationError} when a row was changed since a transaction above ReadCommitted began.
 * @throws {StatementTimeoutError} when the server cancelled the statement.
 * @throws {ConnectionLostError} when the connection died.
 * @throws {ReadOnlyError} when the server is a standby, or the transaction is read-only.
 * @throws {LockOutsideTransactionError} outside a transaction; nothing was sent.
 * @throws {LockNotSupportedError} with `distinct`, which PostgreSQL cannot lock; nothing was sent.
 * @throws {LockNotAppliedError} without `lockable()` around the adapter.
 * @throws {InvalidOptionError} for a `lock` that is none; nothing was sent.
 * @example
 * ```ts
 * await prisma.$transaction(async (tx) => {
 *   const ticket = await tx.ticket.findFirst({ where: { userId: null }, lock: { strength: 'forUpdate', skipLocked: true } })
 *   if (ticket) await tx.ticket.update({ where: { id: ticket.id }, data: { userId: 1 } })
 * })
 * ```
 */
export interface LockableModel {
  // `A` has a default and no constraint: it is inferred while `T` still is, and a constraint that is not
  // known yet widens `'forUpdate'` to `string` and drops `select` from the result.
  /** Finds, and with {@link Lockable.lock | lock} locks, the row that a unique `where` names, or null. */
  findUnique<T extends PrismaModel, A = FindArgs<T, 'findUnique'>>(
    this: T,
    args: ExactArgs<A, FindArgs<T, 'findUnique'>> & Named,
  ): ResultOfModel<T, A, 'findUnique', null>

  /** Finds, and with {@link Lockable.lock | lock} locks, the row that a unique `where` names. */
  findUniqueOrThrow<T extends PrismaModel, A = FindArgs<T, 'findUniqueOrThrow'>>(
    this: T,
    args: ExactArgs<A, FindArgs<T, 'findUniqueOrThrow'>> & Named,
  ): ResultOfModel<T, A, 'findUniqueOrThrow', never>

  /** Finds, and with {@link Lockable.lock | lock} locks, the first row that matches, or null. */
  findFirst<T extends PrismaModel, A = FindArgs<T, 'findFirst'>>(
    this: T,
    args?: ExactArgs<A, FindArgs<T, 'findFirst'>>,
  ): ResultOfModel<T, A, 'findFirst', null>

  /** Finds, and with {@link Lockable.lock | lock} locks, the first row that matches. */
  findFirstOrThrow<T extends PrismaModel, A = FindArgs<T, 'findFirstOrThrow'>>(
    this: T,
    args?: ExactArgs<A, FindArgs<T, 'findFirstOrThrow'>>,
  ): ResultOfModel<T, A, 'findFirstOrThrow', never>

  /** Finds, and with {@link Lockable.lock | lock} locks, all rows that match. */
  findMany<T extends PrismaModel, A = FindArgs<T, 'findMany'>>(
    this: T,
    args?: ExactArgs<A, FindArgs<T, 'findMany'>>,
  ): ResultOfModel<T, A, 'findMany', never>

  // Of an extended client, Prisma's own ask the compiler for more than all finds together do. These take and return the same.
  /** Prisma's own: creates a row. */
  create<T extends PrismaModel, A = Args<T, 'create'>>(
    this: T,
    args: CompleteArgs<A, Args<T, 'create'>>,
  ): ResultOfModel<T, A, 'create', never>

  /** Prisma's own: updates the row that a unique `where` names. */
  update<T extends PrismaModel, A = Args<T, 'update'>>(
    this: T,
    args: CompleteArgs<A, Args<T, 'update'>>,
  ): ResultOfModel<T, A, 'update', never>

  /** Prisma's own: updates all rows that match, and returns how many. */
  updateMany<T extends PrismaModel, A = Args<T, 'updateMany'>>(
    this: T,
    args: CompleteArgs<A, Args<T, 'updateMany'>>,
  ): ResultOfModel<T, A, 'updateMany', never>

  /** Prisma's own: updates the row that a unique `where` names, or creates it. */
  upsert<T extends PrismaModel, A = Args<T, 'upsert'>>(
    this: T,
    args: CompleteArgs<A, Args<T, 'upsert'>>,
  ): ResultOfModel<T, A, 'upsert', never>

  /**
   * Opens a transaction as `$transactionWithRetry` does, locks one row, runs `run` with the row and the
   * transaction, and commits. The lock is released when the transaction ends.
   *
   * @param args What to lock: the arguments of `findUniqueOrThrow` or `findFirstOrThrow`. `lock` defaults
   *   to `'forNoKeyUpdate'`, which lets others insert rows that refer to this one.
   * @param options As of `$transactionWithRetry`; `lock` in place of `args.lock`; `gate: true` to queue by
   *   the model and `where`.
   * @throws {RecordNotFoundError} when no row matches.
   * @throws All that `$transactionWithRetry` throws.
   * @example
   * ```ts
   * await prisma.wallet.withLock({ where: { userId: 1 } }, async (wallet, tx) => {
   *   await tx.wallet.update({ where: { id: wallet.id }, data: { balance: { decrement: 5 } } })
   * })
   * ```
   */
  withLock<T extends PrismaModel, R, A = WithLockArgs<T>>(
    this: T,
    args: Types.Utils.Exact<A, WithLockArgs<T>> & Named,
    run: (row: Awaited<ResultOfModel<T, A, 'findFirstOrThrow', never>>, tx: CommittingClient<TransactionClientOfModel<T>>) => Promise<R>,
    options?: WithLockOptions,
  ): Promise<R>
}

/** What `rowLocks()` adds to a client, and to the transaction clients that it passes on. */
export interface LockableClient {
  /**
   * Runs `fn` in a transaction whose lock waits are bounded, commits, and returns what `fn` returned. A
   * deadlock, a serialization failure, or a connection lost before COMMIT was sent runs the whole of
   * `fn` again, in a new transaction, after a pause of random length: `fn` must not do anything that
   * the rollback does not undo.
   *
   * With a `gate`, callers of one key queue in this process before they take a connection, so that those of
   * a hot row hold two connections and not the whole pool. Each attempt queues; the back-off does not.
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
   * @throws {AlreadyCommittedError} when `fn` failed, or an attempt ended, after a call with `commit: true`.
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
  $transactionWithRetry<Client, R>(
    this: Client,
    fn: TransactionFunction<CommittingClient<TransactionClientOf<Client>>, R>,
    options?: TransactionOptions,
  ): Promise<R>

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
  $advisoryLock(key: AdvisoryLockKey, options?: AdvisoryLockOptions): Promise<void>
}

/** Methods as `$extends` takes them: each by a function that returns it, in a type with an implicit index signature. */
type Extending<Methods> = { [Name in keyof Methods]: () => Methods[Name] }

/**
 * What `rowLocks()` adds to a client, in the form that `$extends` reads.
 *
 * It is typed as a function, and never called: of anything else `$extends` makes a copy, member by member and
 * model by model, and every message of the compiler about the client would spell that copy out.
 */
export interface RowLocksExtensionArgs {
  (): never
  result: {}
  model: { $allModels: Extending<LockableModel> }
  query: {}
  client: Extending<LockableClient>
}

/** The extension that {@link rowLocks} returns; give it to `$extends`. */
export type RowLocksExtension = (client: any) => { $extends: { extArgs: RowLocksExtensionArgs } }
