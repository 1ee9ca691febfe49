import type { Connection, OpenConnection } from '../connection.js'
import { errorCode } from '../error-code.js'

/** What stands between the client and PostgreSQL. */
export type PoolerFacts =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'proxy'
      /** Who may be given the server's session next: a client's session, a transaction, a statement. */
      readonly mode: 'session' | 'transaction' | 'statement'
      /** Whether a prepared statement is found again in another session of the server; undefined when that was not seen. */
      readonly carriesPrepared: boolean | undefined
    }

// Each turn gives a proxy the occasion to hand one session to both.
const TURNS = 8
const PROTOCOL_VIOLATION = '08P01'
const PREPARED = 'rowlock_doctor'

/**
 * Finds a proxy as `advisoryLocker` does: it makes up the process id that it announces. Whether it shares sessions is seen by two
 * connections that are given the same one.
 */
export async function readPoolerFacts(open: OpenConnection): Promise<PoolerFacts> {
  await using one = await open()
  const pid = await readPid(one)
  if (pid === one.announcedPid) return { kind: 'none' }
  if (!(await allowsTransactions(open))) return { kind: 'proxy', mode: 'statement', carriesPrepared: undefined }
  return (await sharesSessions(one, open))
    ? { kind: 'proxy', mode: 'transaction', carriesPrepared: await carriesPrepared(one) }
    : { kind: 'proxy', mode: 'session', carriesPrepared: true }
}

async function readPid(connection: Connection): Promise<number> {
  const [row] = await connection.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  return row!.pid
}

/** A proxy in session mode may have no session left for a second connection, which then does not share either. */
async function sharesSessions(one: Connection, open: OpenConnection): Promise<boolean> {
  try {
    await using other = await open()
    const seen = [new Set<number>(), new Set<number>()] as const
    for (let turn = 0; turn < TURNS; turn++) {
      seen[0].add(await readPid(one))
      seen[1].add(await readPid(other))
    }
    return [...seen[0]].some((pid) => seen[1].has(pid))
  } catch {
    return false
  }
}

/** On a connection of its own: a proxy in statement mode closes the one that begins a transaction. */
async function allowsTransactions(open: OpenConnection): Promise<boolean> {
  await using connection = await open()
  try {
    await connection.query('BEGIN READ ONLY')
    await connection.query('ROLLBACK')
    return true
  } catch (error) {
    if (errorCode(error) === PROTOCOL_VIOLATION) return false
    throw error
  }
}

/** A proxy that carries prepared statements gives them names of its own; the server shows which name the statement got. */
async function carriesPrepared(connection: Connection): Promise<boolean | undefined> {
  try {
    await connection.query('BEGIN READ ONLY')
    const text = `SELECT count(*)::int AS same FROM pg_prepared_statements WHERE name = '${PREPARED}'`
    const [row] = await connection.queryPrepared<{ same: number }>(PREPARED, text)
    if (row!.same > 0) await connection.query(`DEALLOCATE ${PREPARED}`)
    await connection.query('ROLLBACK')
    return row!.same === 0
  } catch {
    return undefined
  }
}
