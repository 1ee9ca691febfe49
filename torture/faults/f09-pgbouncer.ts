import { fileURLToPath } from 'node:url'
import { Pool, type PoolClient } from 'pg'
import postgres from 'postgres'
import { isRowLockError } from 'rowlock'
import { advisoryLocker } from 'rowlock/lockers'
import { cloneDatabase, createTemplate, type Database, startDatabase } from 'rowlock/testing'
import { startLatencyProxy } from '../../bench/latency-proxy.js'
import { databaseName } from '../../src/harness/database-url.js'
import { withConnection } from '../../src/harness/with-connection.js'
import type { Fault, Outcome, Plan } from '../fault.js'
import { findLeft } from '../find-left.js'
import { type Load, startLoad } from '../load.js'
import { findPgbouncer, type Pgbouncer, startPgbouncer } from '../pgbouncer.js'
import { runPooledSuites } from '../pooled-suites.js'
import { COLUMNS } from '../verdict.js'
import { openWallets, verifyLedger } from '../verify-ledger.js'

const migrations = fileURLToPath(new URL('../../prisma/migrations', import.meta.url))

const FULL = 50
const CI = 5
const USERS = 8
const PROCESSES = 2
const CALLERS = 8
// Fewer than callers, so that they share; the tests hold some dozens of transactions open at once.
const SHARED_SESSIONS = 6
const SESSIONS_OF_TESTS = 60
// Movements between two troubles, at least and at most.
const BETWEEN = { least: 50, spread: 100 }
// How long an answer is on its way, as in a network, and is lost when the bouncer dies meanwhile. In milliseconds.
const ANSWER = 20
const LIMIT = 60_000

/** PgBouncer gives every transaction another session of the server, and has troubles of its own. */
export const pgbouncer: Fault = {
  id: 'F9',
  title: 'PgBouncer in transaction mode between',
  how: "Debian's pgbouncer before the project's own tests, and under load killed with -9, paused, reloaded, its sessions terminated",
  sizes: { full: FULL, ci: CI, unit: 'troubles' },
  run: async (plan) => {
    await using database = await startDatabase()
    const suites = await runSuites(plan, database)
    const refusal = await expectRefusal(database)
    const troubled = await runLoad(plan, database, { preparedStatements: false, keys: true })
    // With names for its statements, as one has it who does not know of the bouncer.
    const named = await runLoad({ ...plan, size: 0 }, database, { preparedStatements: true, keys: true })
    return merge([suites, refusal, troubled, named])
  },
  controls: [
    {
      without: 'idempotency keys, calling again all the same',
      breaks: 'doubled',
      size: 5,
      run: async (plan) => {
        await using database = await startDatabase()
        return await runLoad(plan, database, { preparedStatements: false, keys: false })
      },
    },
    { without: 'the check that a session is its own, for session-scoped locks', breaks: 'wrong', size: 1, run: lockWithoutCheck },
  ],
  unavailable: () =>
    Promise.resolve(
      findPgbouncer() ? undefined : 'There is no PgBouncer, and it can be installed by root only: apt-get install pgbouncer.',
    ),
}

// What CI has the time for: each kind of lock and who builds on it.
const CI_SUITES = [
  'locks/strengths',
  'locks/with-lock',
  'locks/lock-in-order',
  'repositories/wallet',
  'repositories/ticket',
  'lockers/lease.test',
  'jobs/claim',
]
const ALL_SUITES = ['locks', 'repositories', 'lockers/lease', 'lockers/row', 'lockers/guarded', 'lockers/advisory', 'jobs', 'idempotency']

// What needs a session of its own, by its nature.
const SESSION_BOUND = [
  // Refused, as `expectRefusal` and the tests of a proxy in advisory.test.ts see.
  /advisoryLocker\(pool, session\)/,
  /a lock of a session/,
  /in session scope/,
  /lockers of every kind and \$advisoryLock exclude/,
  /a server that is silent aborts/,
  // Their proxy would be between the bouncer and the client.
  /behind a proxy that shares sessions/,
  // PgBouncer 1.18 refuses clients that come with `options`.
  /at every default isolation level/,
  /whatever the time zone of the session/,
]

// Processes of their own take their time to start.
const SLOW = [/of 4 processes/]

async function runSuites({ size, signal, progress }: Plan, database: Database): Promise<Outcome> {
  await using bouncer = await start(database.url, SESSIONS_OF_TESTS)
  progress('the tests, through PgBouncer')
  const [suites, except] = size < FULL ? [CI_SUITES, [...SESSION_BOUND, ...SLOW]] : [ALL_SUITES, SESSION_BOUND]
  const { passed, failed } = await runPooledSuites({
    databaseUrl: database.url,
    pooler: bouncer.address,
    paths: suites.map((path) => `test/integration/${path}`),
    except,
    signal,
  })
  return {
    faults: 0,
    operations: passed + failed.length,
    wrong: failed.length,
    notes: [`${passed} tests passed with PgBouncer between, ${failed.length} failed`, ...failed.map((name) => `wrong: ${name}`)],
  }
}

/** A lock of a session must be refused, with what to do, and must take nothing. */
async function expectRefusal(database: Database): Promise<Outcome> {
  await using bouncer = await start(database.url, SHARED_SESSIONS)
  const pool = new Pool({ connectionString: bouncer.through(database.url), max: 2 })
  try {
    const refused = await advisoryLocker(pool, { scope: 'session' })
      .acquire('leader', { timeout: LIMIT })
      .then(
        async (held) => `granted as ${held.key}`,
        (error: unknown) =>
          isRowLockError(error) && error.code === 'LOCK_NOT_SUPPORTED' && /connect directly/.test(error.message)
            ? undefined
            : String(error),
      )
    const locks = await withConnection(database.url, (sql) => sql`SELECT FROM pg_locks WHERE locktype = 'advisory'`)
    const wrong = (refused === undefined ? 0 : 1) + locks.length
    const note =
      refused === undefined
        ? 'a session-scoped lock is refused, and says what to do'
        : `wrong: a session-scoped lock was not refused: ${refused}`
    return { faults: 0, operations: 1, wrong, notes: [note] }
  } finally {
    await pool.end()
  }
}

/** Two lockers that take the bouncer's session for their own: PostgreSQL grants both of them the same lock. */
async function lockWithoutCheck(): Promise<Outcome> {
  await using database = await startDatabase()
  await using bouncer = await start(database.url, 1)
  const pools = [1, 2].map(() => new Pool({ connectionString: bouncer.through(database.url), max: 1 }))
  try {
    const { rows } = await pools[0]!.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    const announce = (client: PoolClient) => void Object.defineProperty(client, 'processID', { value: rows[0]!.pid, writable: false })
    for (const pool of pools) pool.on('connect', announce)
    announce(await checkedOut(pools[0]!))
    const held = await Promise.allSettled(
      pools.map((pool) => advisoryLocker(pool, { scope: 'session' }).acquire('leader', { nowait: true })),
    )
    const granted = held.filter((one) => one.status === 'fulfilled').map((one) => one.value)
    for (const one of granted) await one.release()
    return { faults: 1, operations: 2, wrong: Math.max(0, granted.length - 1), notes: [`${granted.length} leaders at once`] }
  } finally {
    await Promise.all(pools.map((pool) => pool.end()))
  }
}

/** The one client of a pool, which has it back. */
async function checkedOut(pool: Pool): Promise<PoolClient> {
  const client = await pool.connect()
  client.release()
  return client
}

interface Protection {
  readonly preparedStatements: boolean
  readonly keys: boolean
}

async function runLoad(plan: Plan, database: Database, protection: Protection): Promise<Outcome> {
  await using clone = await cloneDatabase(await createTemplate(database.url, { migrations }))
  await withConnection(clone.url, (sql) => openWallets(sql, USERS))
  await using bouncer = await start(clone.url, SHARED_SESSIONS)
  const network = await startLatencyProxy(bouncer.through(clone.url), ANSWER)
  using _ = { [Symbol.dispose]: () => network.stop() }
  await using load = await startLoad({
    url: network.url,
    processes: PROCESSES,
    callers: CALLERS,
    users: USERS,
    ...protection,
  })
  const sql = postgres(clone.url, { max: 1, onnotice: () => undefined })
  try {
    let faults = 0
    let stuck = await workOn(load, plan)
    while (faults < plan.size && !plan.signal.aborted) {
      const [name, inflict] = TROUBLES[faults % TROUBLES.length]!
      await inflict(bouncer, sql, databaseName(clone.url))
      faults++
      stuck += await workOn(load, plan)
      plan.progress(`${faults} of ${plan.size} troubles: ${name}`)
    }
    const end = await load.stop(LIMIT)
    // The sessions that it keeps for the next client are the bouncer's.
    await bouncer[Symbol.asyncDispose]()
    const verdict = await verifyLedger(sql, end.journaled)
    const { left, notes } = await findLeft(sql)
    const refused = end.journaled.flatMap(({ calls }) => calls).filter((call) => call?.said === 'refused')
    const names = protection.preparedStatements ? 'with' : 'without'
    return {
      ...verdict,
      faults,
      left: left + end.rejections.length,
      stuck: stuck + end.stuck,
      notes: [
        `${verdict.operations} calls ${names} named statements, ${refused.length} refused${describe(refused.map((call) => call.error))}`,
        ...verdict.notes,
        ...notes,
        ...end.rejections,
      ],
    }
  } finally {
    await sql.end({ timeout: 1 })
  }
}

type Trouble = (bouncer: Pgbouncer, sql: postgres.Sql, database: string) => Promise<unknown>

const TROUBLES: readonly (readonly [string, Trouble])[] = [
  ['killed with -9', (bouncer) => bouncer.killAndRestart()],
  [
    'its sessions terminated',
    async (_, sql) => {
      const terminated = await sql`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`
      if (terminated.length === 0) throw new Error('There was no session to terminate.')
    },
  ],
  ['all of its clients dropped', commands('KILL', 'RESUME')],
  ['paused', commands('PAUSE', 'RESUME')],
  ['made to reload and reconnect', async (bouncer) => [await bouncer.command('RELOAD'), await bouncer.command('RECONNECT')]],
]

function commands(...all: readonly string[]): Trouble {
  return async (bouncer, _, database) => {
    for (const one of all) await bouncer.command(`${one} ${database}`)
  }
}

async function start(databaseUrl: string, poolSize: number): Promise<Pgbouncer> {
  const program = findPgbouncer()
  if (program === undefined) throw new Error('There is no PgBouncer.')
  return startPgbouncer(program, databaseUrl, { poolSize })
}

/** @returns how many waits were in vain. */
async function workOn(load: Load, { random }: Plan): Promise<number> {
  const count = BETWEEN.least + Math.floor(random() * BETWEEN.spread)
  return (await load.progress(count, LIMIT)) ? 0 : 1
}

function describe(errors: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const error of errors) counts.set(error, (counts.get(error) ?? 0) + 1)
  return counts.size === 0 ? '' : `: ${[...counts].map(([error, count]) => `${count} ${error}`).join(', ')}`
}

function merge(outcomes: readonly Outcome[]): Outcome {
  const sum = (read: (outcome: Outcome) => number | undefined) => outcomes.reduce((total, outcome) => total + (read(outcome) ?? 0), 0)
  return {
    ...Object.fromEntries(COLUMNS.map((column) => [column, sum((outcome) => outcome[column])])),
    faults: sum(({ faults }) => faults),
    operations: sum(({ operations }) => operations),
    notes: outcomes.flatMap(({ notes }) => notes ?? []),
  }
}
