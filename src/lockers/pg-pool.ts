import { PoolTimeoutError } from '../core/errors.js'
import { explainPgError } from '../core/explain-pg-error.js'
import { connectionLimit, type HoldLimits } from './hold-limits.js'
import type { LockWait } from './lock-wait.js'
import { untilAborted } from './until-aborted.js'

/** What is used of a client of a `pg.Pool`, while it is taken from the pool. */
export interface PgClient {
  /** What the server, or a proxy in its place, announced as its process id. */
  readonly processID?: number | null
  /** False while a statement is under way. */
  readonly readyForQuery?: boolean
  query(text: string, values?: unknown[]): Promise<PgResult>
  on(event: 'error' | 'end', listener: (error?: Error) => void): unknown
  removeListener(event: 'error' | 'end', listener: (error?: Error) => void): unknown
  /** @param destroy Closes the connection instead of giving it back. */
  release(destroy?: boolean): void
}

/** What is used of the answer to a statement. */
export interface PgResult {
  readonly command: string
  readonly rows: readonly unknown[]
}

/** A `Pool` of the driver `pg`. */
export interface PgPool {
  readonly totalCount: number
  readonly options?: object
  connect(): Promise<PgClient>
}

/** The clients of a pool, as its own type has them. */
export type ClientOfPool<Pool> = Pool extends { connect: { (): Promise<infer Client>; (callback: never): unknown } }
  ? Client
  : Pool extends { connect(): Promise<infer Client> }
    ? Client
    : never

/**
 * Takes a client from the pool, for as long as the caller is ready to wait.
 *
 * @throws {PoolTimeoutError} when none came free; `wait.signal.reason` when the wait ended.
 */
export async function takeClient(pool: PgPool, wait: LockWait, limits: HoldLimits): Promise<PgClient> {
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(noConnection(limits)), connectionLimit(wait, limits))
  const connecting = pool.connect()
  try {
    return await untilAborted(connecting, wait.signal ? AbortSignal.any([wait.signal, limit.signal]) : limit.signal)
  } catch (error) {
    // A caller that has left may yet be given a client.
    void connecting.then(
      (client) => client.release(),
      () => undefined,
    )
    throw explainPgError(error)
  } finally {
    clearTimeout(timer)
  }
}

function noConnection({ maxWait }: HoldLimits): PoolTimeoutError {
  return new PoolTimeoutError(`The pool had no connection within maxWait (${maxWait} ms); each lock that is held keeps one.`)
}
