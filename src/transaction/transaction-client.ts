/** The part of a Prisma client that rowlock needs to run a transaction. */
export interface TransactionalClient {
  $transaction<R>(run: (tx: never) => Promise<R>, options?: { maxWait?: number; timeout?: number; isolationLevel?: never }): Promise<R>
}

/** The part of a transaction client that rowlock needs. */
export interface RawQueryClient {
  $queryRawUnsafe<T = unknown>(sql: string, ...values: unknown[]): PromiseLike<T>
}

/** The transaction client that `Client` passes to `$transaction(async (tx) => …)`. */
export type TransactionClientOf<Client> = Client extends {
  $transaction(run: (tx: infer Tx) => Promise<unknown>, options?: never): unknown
}
  ? Tx
  : never

// Prisma 7 marks the clients it passes into a transaction with this symbol.
const TRANSACTION_SCOPE = Symbol.for('prisma.client.transaction.scope_context')

/** Whether `client` is a transaction client, as passed to `$transaction(async (tx) => …)`. */
export function isTransactionClient(client: unknown): boolean {
  const scope = (client as { [TRANSACTION_SCOPE]?: { kind?: unknown } } | null | undefined)?.[TRANSACTION_SCOPE]
  return scope?.kind === 'nested'
}

/** The client before any `$extends`: all its descendants share one pool. */
export function originalClient(client: object): object {
  return (client as { _originalClient?: object })._originalClient ?? client
}
