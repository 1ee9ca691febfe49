import { AsyncLocalStorage } from 'node:async_hooks'
import { LockNotSupportedError } from '../core/errors.js'
import { isTransactionClient, originalClient } from './transaction-client.js'

interface Scope {
  readonly client: unknown
  readonly outer: Scope | undefined
  open: boolean
}

const scopes = new AsyncLocalStorage<Scope>()

/**
 * Runs `open`, which opens a transaction of `client`; what it runs by `inside` counts as inside of that until
 * `open` has ended.
 */
export async function withTransactionScope<R>(client: object, open: (inside: <T>(run: () => T) => T) => Promise<R>): Promise<R> {
  const scope: Scope = { client: originalClient(client), outer: innermostOpen(scopes.getStore()), open: true }
  try {
    return await open((run) => scopes.run(scope, run))
  } finally {
    scope.open = false
  }
}

/**
 * A transaction inside another one holds a second connection while it waits for the first one's locks:
 * it can wait for itself, and enough of them drain the pool for good.
 *
 * @throws {LockNotSupportedError} inside a transaction of the same client.
 */
export function refuseNesting(client: object): void {
  if (isTransactionClient(client) || isInside(originalClient(client), scopes.getStore())) {
    throw new LockNotSupportedError(
      '`$transactionWithRetry`, `withLock` and the repositories with a client cannot run inside another transaction, which can only be retried as a whole; ' +
        'use the `tx` of the transaction that is already open.',
    )
  }
}

function isInside(client: unknown, scope: Scope | undefined): boolean {
  const open = innermostOpen(scope)
  return open !== undefined && (open.client === client || isInside(client, open.outer))
}

/** A task that was left behind keeps its scopes, which may be over. */
function innermostOpen(scope: Scope | undefined): Scope | undefined {
  return scope === undefined || scope.open ? scope : innermostOpen(scope.outer)
}
