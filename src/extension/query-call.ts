import type { Emitter } from '../events/emitter.js'
import { findTransactionState } from '../transaction/open-transactions.js'
import type { SchemaModel } from './schema-model.js'

type Args = Record<string, unknown>

/** A query as Prisma's query extensions see it, with what rowlock needs of Prisma's internals. */
export interface QueryCall {
  readonly operation: string
  readonly model: SchemaModel
  readonly args: Args
  /** The transaction the query runs in: interactive (`itx`), which has an id, or one of `$transaction([…])` (`batch`). */
  readonly transaction: { readonly kind: string; readonly index?: number; readonly id?: string } | undefined
  /** Told what becomes of the lock that the call takes; undefined while nobody listens. */
  readonly emitter: Emitter | undefined
  /** What the caller calls the transaction. */
  readonly label: string | undefined
  /** Runs the query with other arguments, and as another operation, through the extensions that follow. */
  query(args: Args, operation: string): Promise<unknown>
  /** False for an error of another query of the same batch, which every query of the batch gets. */
  isOwnError(error: unknown): boolean
}

/** What Prisma passes to `query.$allOperations`; `__internalParams` is not part of its types. */
export interface QueryHookParams {
  readonly model?: string
  readonly operation: string
  readonly args: unknown
  readonly query: (args: unknown, internalParams?: object) => Promise<unknown>
  readonly __internalParams?: { readonly transaction?: QueryCall['transaction']; readonly jsModelName?: string }
}

export function toQueryCall(params: QueryHookParams, model: SchemaModel, emitter?: Emitter): QueryCall {
  const { operation, query, __internalParams: internals } = params
  const transaction = internals?.transaction
  return {
    operation,
    model,
    args: (params.args ?? {}) as Args,
    transaction,
    emitter,
    label: emitter && findTransactionState(transaction?.id)?.label,
    query: (args, as) =>
      // Prisma reads the operation to run from its own parameters, and takes a changed copy of them.
      as === operation ? query(args) : query(args, { ...internals, action: as, clientMethod: `${internals?.jsModelName}.${as}` }),
    isOwnError: (error) => isErrorOf(error, transaction),
  }
}

export function isErrorOf(error: unknown, transaction: QueryCall['transaction']): boolean {
  const index = (error as { batchRequestIdx?: unknown } | null)?.batchRequestIdx
  return transaction?.kind !== 'batch' || index === undefined || index === transaction.index
}
