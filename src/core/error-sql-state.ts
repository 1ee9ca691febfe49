import { propertyOf } from './option-checks.js'

/**
 * The SQLSTATE of an error from Prisma or its driver adapter, or undefined when it carries none.
 *
 * Prisma's own P-codes depend on its version and on the call path (a raw query always gives P2010);
 * the adapter's error under `meta` carries PostgreSQL's code on every path.
 */
export function errorSqlState(error: unknown): string | undefined {
  const cause = driverErrorCause(error)
  const code = cause?.['originalCode'] ?? (cause?.['kind'] === 'postgres' ? cause['code'] : undefined)
  return typeof code === 'string' ? code : undefined
}

/** The `cause` of the driver adapter's error: its `kind`, and PostgreSQL's code where it has one. */
export function driverErrorCause(error: unknown): Record<string, unknown> | undefined {
  const adapterError = propertyOf(propertyOf(error, 'meta'), 'driverAdapterError') ?? error
  const cause = propertyOf(adapterError, 'cause')
  return typeof propertyOf(cause, 'kind') === 'string' ? (cause as Record<string, unknown>) : undefined
}
