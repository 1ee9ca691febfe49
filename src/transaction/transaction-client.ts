import type { ITXClientDenyList } from '@prisma/client/runtime/client'
import { propertyOf } from '../core/option-checks.js'

/** The part of a Prisma client that rowlock needs to run a transaction. */
export interface TransactionalClient {
  $transaction<R>(run: (tx: never) => Promise<R>, options?: { maxWait?: number; timeout?: number; isolationLevel?: never }): Promise<R>
}

/** The part of a transaction client that rowlock needs. */
export interface RawQueryClient {
  $queryRawUnsafe<T = unknown>(sql: string, ...values: unknown[]): PromiseLike<T>
}

/** The transaction client that `Client` passes to `$transaction(async (tx) => …)`. */
export type TransactionClientOf<Client> = Client extends { $transaction: unknown } ? Omit<Client, ITXClientDenyList> : never

// Prisma 7 marks the clients it passes into a transaction with this symbol.
const TRANSACTION_SCOPE = Symbol.for('prisma.client.transaction.scope_context')

interface TransactionScope {
  readonly kind?: unknown
  readonly txId?: string
}

/** Of whatever was given as a client: reading it must not throw. */
const scopeOf = (client: unknown) => propertyOf(client, TRANSACTION_SCOPE) as TransactionScope | null | undefined

/** Whether `client` is a transaction client, as passed to `$transaction(async (tx) => …)`. */
export function isTransactionClient(client: unknown): boolean {
  return scopeOf(client)?.kind === 'nested'
}

/** The id that Prisma gave to the transaction of `client`, and to what is nested in it. */
export function transactionIdOf(client: unknown): string | undefined {
  return scopeOf(client)?.txId
}

/** The client before any `$extends`: all its descendants share one pool. */
export function originalClient(client: object): object {
  return (client as { _originalClient?: object })._originalClient ?? client
}

type Open = TransactionalClient['$transaction']

// Of those that rowlock puts before Prisma's own, which they call.
const openers = new WeakSet<Open>()

/** Whether the client's `$transaction` is Prisma's own: an extension's may open others first, or from another one's context. */
export function opensByPrisma(client: TransactionalClient): boolean {
  return client.$transaction === (originalClient(client) as TransactionalClient).$transaction || openers.has(client.$transaction)
}

/** Says that `open` does no more than to call the `$transaction` of `client`. */
export function opensAs(client: TransactionalClient, open: Open): Open {
  if (opensByPrisma(client)) openers.add(open)
  return open
}
