import { emitWarning } from 'node:process'

const warned = new WeakSet<object>()

/** Says once of a listener that it fails: nobody is there to catch it, and no query must fail by it. */
export function warnOnce(listener: object, what: string, error: unknown): void {
  if (warned.has(listener)) return
  warned.add(listener)
  emitWarning(`${what} ${describe(error)}`, { type: 'RowLockWarning' })
}

/** Anything can be thrown, also what throws when it is looked at. */
function describe(error: unknown): string {
  try {
    return error instanceof Error ? (error.stack ?? error.message) : String(error)
  } catch {
    return ''
  }
}
