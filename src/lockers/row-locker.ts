import { InvalidOptionError } from '../core/errors.js'
import { propertyOf, readOptions } from '../core/option-checks.js'
import { assertRowLocksClient } from '../extension/row-locks-client.js'
import { schemaOfDelegate } from '../extension/row-locks.js'
import { readSchemaModels, type SchemaModel } from '../extension/schema-model.js'
import { delegateName, notFound } from '../extension/with-lock.js'
import type { RawQueryClient, TransactionalClient, TransactionClientOf } from '../transaction/transaction-client.js'
import { createLocker } from './create-locker.js'
import { HOLD_LIMIT_KEYS, type HoldLimitOptions, parseHoldLimits } from './hold-limits.js'
import { holdTransaction, type TransactionLock } from './hold-transaction.js'
import type { HeldLock, Locker } from './locker.js'
import { rowKeyOf } from './row-key.js'

/** Options of {@link rowLocker}. */
export interface RowLockerOptions extends HoldLimitOptions {
  /** The unique field that keys are values of: `Int`, `BigInt` or `String`. Default: the one with `@id`. */
  readonly by?: string
  /** How an exclusive caller locks the row. Default: `'forNoKeyUpdate'`, which lets others insert rows that refer to it. */
  readonly strength?: 'forNoKeyUpdate' | 'forUpdate'
}

/** What {@link rowLocker} needs of a Prisma client: any one with `rowLocks()`. */
export interface RowLockerClient {
  $transaction(...args: never): unknown
  $transactionWithRetry(...args: never): unknown
}

type DelegateName<Client> = {
  [Name in keyof Client]: Client[Name] extends { findFirstOrThrow: unknown } ? Name : never
}[keyof Client] &
  string

/** A model of a client: its name, as in the schema or as on the client, or what the client has under that name. */
export type ModelOfClient<Client> = DelegateName<Client> | Capitalize<DelegateName<Client>> | Client[DelegateName<Client> & keyof Client]

/** A row that is locked, and the transaction that holds the lock. */
export type HeldRow<Client> = HeldLock & TransactionLock<TransactionClientOf<Client>>

type Tx = RawQueryClient & Record<string, { findFirst(args: object): Promise<unknown> }>

/**
 * Locks rows of a model by key for all who use the database: exclusive callers with `FOR NO KEY UPDATE`,
 * `shared` ones with `FOR SHARE`. This excludes not only other lockers, but every transaction that locks,
 * updates or deletes the row; plain reads go on.
 *
 * The lock is a transaction that is held open. `run` gets it as `held.tx`: what it writes there is committed
 * with the release and rolled back when it throws. **Write the row through `held.tx` only:** any other
 * connection would wait for this very lock. It is released when `run` ends, when the connection dies (then
 * everything is rolled back), and after `maxHold`.
 *
 * Each held lock keeps one connection of the pool. Callers of one locker and key queue in the process, so that
 * only one of them, or any number that share, takes a connection. PostgreSQL sees no deadlock between locks
 * that are nested in different orders, as each is a session of its own: nest them in one order, or with a
 * `timeout`; `maxHold` ends it at the latest. Two shared holders that both update the row deadlock, which
 * PostgreSQL sees.
 *
 * @param prisma A client with `rowLocks()`; not inside a transaction of its own, where locking calls throw a
 *   `LockNotSupportedError`: there, use a find with `lock`.
 * @param model `'Wallet'`, `'wallet'` or `prisma.wallet`.
 * @returns A locker whose keys are values of the model's `@id`, or of `by`, as text. Beyond what every locker
 *   throws, its calls throw a `RecordNotFoundError` when there is no such row, an `InvalidOptionError` for a key
 *   that no row can have, a `PoolTimeoutError` when no connection came free, and an `AmbiguousCommitError` when
 *   the connection died while committing.
 * @throws {InvalidOptionError} for a client without `rowLocks()`, an unknown model, or an option that is not allowed.
 * @throws {LockNotSupportedError} when the model has no key that a text can name.
 * @example
 * ```ts
 * const wallets = rowLocker(prisma, 'Wallet', { by: 'userId' })
 * await wallets.withLock('1', async ({ tx }) => {
 *   await tx.wallet.update({ where: { userId: 1 }, data: { balance: { decrement: 5 } } })
 * }, { timeout: 1_000 })
 * ```
 * @see https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS
 */
export function rowLocker<Client extends RowLockerClient>(
  prisma: Client,
  model: ModelOfClient<Client>,
  options: RowLockerOptions = {},
): Locker<HeldRow<Client>> {
  assertRowLocksClient(prisma, 'prisma')
  const client = prisma as unknown as TransactionalClient
  const schema = findModel(prisma, model)
  options = readOptions(options, [...HOLD_LIMIT_KEYS, 'by', 'strength'], 'options')
  const limits = parseHoldLimits(options)
  const exclusive = parseStrength(options.strength)
  const { field, toValue } = rowKeyOf(schema, options.by)

  return createLocker<TransactionLock<TransactionClientOf<Client>>>({
    async take(wait) {
      const where = { [field]: toValue(wait.key) }
      const strength = wait.shared ? 'forShare' : exclusive
      return holdTransaction<TransactionClientOf<Client> & Tx>(client, wait, limits, async (tx, { nowait, timeout }) => {
        const lock = nowait ? { strength, nowait } : { strength, timeout }
        const row = await tx[delegateName(schema)]!.findFirst({ where, select: { [field]: true }, lock })
        if (row === null) throw notFound(schema, where)
      })
    },
  })
}

function findModel(prisma: object, model: unknown): SchemaModel {
  const models = [...readSchemaModels(prisma).values()]
  const named = typeof model === 'string' ? model : propertyOf(schemaOfDelegate(model), 'name')
  const found = models.find((one) => one.name === named || delegateName(one) === named)
  if (!found) throw new InvalidOptionError('model', model, `a model of the client: ${models.map(({ name }) => name).join(', ')}`)
  return found
}

function parseStrength(strength: RowLockerOptions['strength'] = 'forNoKeyUpdate'): 'forNoKeyUpdate' | 'forUpdate' {
  if (strength === 'forNoKeyUpdate' || strength === 'forUpdate') return strength
  throw new InvalidOptionError('strength', strength, "'forNoKeyUpdate' or 'forUpdate'")
}
