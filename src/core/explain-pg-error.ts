import { classifyError, type ErrorContext } from './classify-error.js'

/** The error of rowlock that explains one of `pg` or postgres.js, or the error itself when it has nothing to do with locks or the connection. */
export function explainPgError(error: unknown, context?: ErrorContext): unknown {
  return classifyError(asDriverError(error), context) ?? error
}

/** Gives a driver's error the form that it has when it comes from Prisma's driver adapter, which is what is told apart. */
export function asDriverError(error: unknown): unknown {
  const { code, severity, message } = (error ?? {}) as { code?: unknown; severity?: unknown; message?: string }
  // Only PostgreSQL's own errors have a severity.
  if (severity === undefined) return error
  return new Error(message, { cause: { kind: 'postgres', code, error } })
}
