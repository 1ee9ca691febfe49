import { systemClock } from '../core/clock.js'
import { InvalidOptionError, RecordNotFoundError } from '../core/errors.js'
import { type LockOption, parseLockOption, toLockOption } from '../core/lock-option.js'
import { assertFunction, isObject, readable, readOptions } from '../core/option-checks.js'
import { describeKey } from '../core/classify-error.js'
import type { Emitter } from '../events/emitter.js'
import { type RowGate, toGate } from '../transaction/gate.js'
import { runTransaction } from '../transaction/run-transaction.js'
import type { TransactionalClient } from '../transaction/transaction-client.js'
import { TRANSACTION_OPTION_KEYS, type TransactionOptions } from '../transaction/transaction-options.js'
import type { SchemaModel } from './schema-model.js'
import { expandCompoundKeys, readWhere } from './unique-where.js'

type Args = Record<string, unknown> & { lock?: LockOption }
type Tx = Record<string, { findFirst(args: Args): Promise<unknown> }>

/** Options of `withLock`: those of `$transactionWithRetry`, and the `lock` in place of `args.lock`. */
export interface WithLockOptions extends Omit<TransactionOptions, 'gate'> {
  /** As on a find; here or in `args`. Default: `'forNoKeyUpdate'`. */
  readonly lock?: LockOption
  /** As of `$transactionWithRetry`, and `true` or `{ width }` for the gate of this model and `where`. Default: nowhere. */
  readonly gate?: RowGate
}

/** Locks one row in a transaction of its own and runs `run` there; see `withLock`. */
export async function withLock<R>(
  client: TransactionalClient,
  model: SchemaModel,
  args: Args,
  run: (row: unknown, tx: unknown) => Promise<R>,
  options: WithLockOptions = {},
  emitter?: Emitter,
): Promise<R> {
  assertFunction(run, 'run')
  options = readOptions(options, [...TRANSACTION_OPTION_KEYS, 'lock'], 'options')
  const { lock: lockOption, gate, ...transactionOptions } = options
  const { where, find } = toNamedRow(args, model)
  // Before a connection is taken, and before Prisma copies it, however large it is.
  find.lock = toLockOption(parseLockOption(find.lock ?? lockOption ?? 'forNoKeyUpdate'))
  return runTransaction(
    client,
    async (tx: Tx) => {
      const row = await tx[delegateName(model)]!.findFirst(find)
      if (row === null) throw notFound(model, where)
      return run(row, tx)
    },
    { ...transactionOptions, gate: toGate(gate, model.name, where) },
    systemClock,
    emitter,
  )
}

interface NamedRow {
  /** As the caller named it. */
  readonly where: Record<string, unknown>
  readonly find: Args
}

/** `{ where: { id: undefined } }` would lock any row: the row must be named. */
function toNamedRow(args: unknown, model: SchemaModel): NamedRow {
  if (!isObject(args)) throw new InvalidOptionError('args', args, 'the arguments of a find, with `where`')
  const read = readable(args, 'args', () => ({ ...args }))
  const where = readWhere(read['where'], model)
  const values = Object.values(where)
  if (values.length === 0 || values.includes(undefined)) {
    throw new InvalidOptionError('where', where, `an object that names a row of ${model.name}, without undefined values`)
  }
  return { where, find: { ...read, where: expandCompoundKeys(where, model) } }
}

export function notFound(model: SchemaModel, key: unknown): RecordNotFoundError {
  return new RecordNotFoundError(`There is no ${model.name}${describeKey(key)} to lock.`, { model: model.name, key })
}

/** The property under which a client has a model: `WalletEntry` is `walletEntry`. */
export const delegateName = ({ name }: { readonly name: string }): string => name.charAt(0).toLowerCase() + name.slice(1)
