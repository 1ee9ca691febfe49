import postgres from 'postgres'
import type { LockTree } from '../../monitor/lock-tree-types.js'
import { readLockTree } from '../../monitor/read-lock-tree.js'
import type { RunQuery } from '../../monitor/run-query.js'

/** One connection from which the locks of a database are read; it waits for none itself. */
export interface LocksConnection extends AsyncDisposable {
  read(): Promise<LockTree>
  /** Asks PostgreSQL to cancel the statement of a session that waits for a lock. False when it waits for none, or is gone. */
  cancel(pid: number): Promise<boolean>
}

export const APPLICATION_NAME = 'rowlock locks'

// Whom the catalog keeps waiting is to be told so, and not to be one more who waits. In milliseconds.
const LOCK_TIMEOUT = 1_000

export function connectToLocks(url: string): LocksConnection {
  const sql = postgres(url, { max: 1, onnotice: () => undefined, fetch_types: false, connection: { application_name: APPLICATION_NAME } })
  // In a transaction, as behind a pooler that shares sessions a setting would be somebody else's.
  const run: RunQuery = (text) =>
    sql.begin('READ ONLY', async (tx) => {
      await tx.unsafe(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT}`)
      return await tx.unsafe<{ json: string }[]>(text)
    })
  return {
    // Deadlocks are known to the process that ran into them, and to no other.
    read: async () => ({ ...(await readLockTree(run)), deadlocks: [] }),
    async cancel(pid) {
      // In the statement that looks, so that the next statement of a session whose wait has just ended is left alone.
      const [row] = await sql<{ cancelled: boolean }[]>`
        SELECT pg_cancel_backend(pid) AS cancelled FROM pg_locks WHERE pid = ${pid} AND NOT granted`
      return row?.cancelled ?? false
    },
    [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }),
  }
}
