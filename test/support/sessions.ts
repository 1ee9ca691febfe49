import postgres from 'postgres'
import { waitUntil } from './wait-until.js'

/** A session of the test's own, in a transaction until it is told to end. */
export interface Session {
  readonly pid: number
  /** Runs a statement to its end. */
  run(sql: string): Promise<readonly postgres.Row[]>
  /** Sends a statement, and resolves when it waits for a lock. */
  wait(sql: string): Promise<void>
  /** What became of the statement that waits. */
  outcome(): Promise<readonly postgres.Row[]>
  /** Ends the statement that waits, and with it the transaction. */
  cancel(): Promise<void>
}

export interface SessionOptions {
  readonly name?: string
  /** Whether a transaction is opened. Default: true. */
  readonly begin?: boolean
}

/**
 * Opens sessions on `url` with plain SQL, so that each is known by its process id.
 *
 * @param probe Asks what the sessions wait for.
 */
export function createSessions(url: () => string, probe: () => postgres.Sql) {
  const open: { readonly pid: number; readonly sql: postgres.Sql }[] = []
  return {
    async begin({ name = 'session', begin = true }: SessionOptions = {}): Promise<Session> {
      const sql = postgres(url(), { max: 1, onnotice: () => {}, connection: { application_name: name } })
      const [{ pid }] = await sql.unsafe<[{ pid: number }]>('SELECT pg_backend_pid() AS pid')
      open.push({ pid, sql })
      // A deadlock stays until a test has seen it.
      await sql.unsafe(`SET deadlock_timeout = '1min'`)
      if (begin) await sql.unsafe('BEGIN')
      let last: Promise<readonly postgres.Row[]> = Promise.resolve([])
      return {
        pid,
        run: async (text) => sql.unsafe(text),
        async wait(text) {
          last = Promise.resolve(sql.unsafe(text))
          last.catch(() => undefined)
          await waitUntil(`session ${pid} waits`, async () => {
            const [row] = await probe()<[{ waits: boolean }]>`
              SELECT EXISTS (SELECT FROM pg_locks WHERE pid = ${pid} AND NOT granted AND waitstart IS NOT NULL) AS waits FROM pg_sleep(0.001)`
            return row.waits ? true : undefined
          })
        },
        outcome: () => last,
        async cancel() {
          await probe()`SELECT pg_cancel_backend(${pid})`
          await last.catch(() => undefined)
          await sql.unsafe('ROLLBACK')
        },
      }
    },
    /** Ends them all, and what they wait for. */
    async end(): Promise<void> {
      const pids = open.map(({ pid }) => pid)
      // Whoever waits does not notice that its connection is closed.
      await probe()`SELECT pg_terminate_backend(pid, 5000) FROM unnest(${pids}::int[]) AS pid`
      await Promise.all(open.splice(0).map(({ sql }) => sql.end({ timeout: 0 })))
    },
  }
}
