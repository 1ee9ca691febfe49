import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { startLatencyProxy } from '../../bench/latency-proxy.js'
import { withDatabaseName } from '../../src/harness/database-url.js'
import { applyMigrations } from '../../src/harness/migrations.js'
import { withConnection } from '../../src/harness/with-connection.js'
import type { Fault, Outcome, Plan } from '../fault.js'
import { findLeft } from '../find-left.js'
import { type KeptServer, startKeptServer } from '../kept-server.js'
import { type Load, startLoad } from '../load.js'
import { openWallets, verifyLedger } from '../verify-ledger.js'

/** A server that dies under load with everything that it had not written, and comes back. */
export const serverKilled: Fault = {
  id: 'F1',
  title: 'server killed under load, restarted',
  how: 'kill -9 of the postmaster and all its children, fsync on; answers on their way are lost',
  sizes: { full: 50, ci: 5, unit: 'kills' },
  run: (plan) => run(plan, { settings: {}, keys: true }),
  controls: [
    {
      without: 'synchronous_commit',
      breaks: 'lost',
      size: 1,
      // What is committed is on disk 10 s later, or when there is much of it.
      run: (plan) => run(plan, { settings: { synchronous_commit: 'off', wal_writer_delay: '10s' }, keys: true }),
    },
    {
      without: 'idempotency keys, calling again all the same',
      breaks: 'doubled',
      size: 5,
      run: (plan) => run(plan, { settings: {}, keys: false }),
    },
  ],
  unavailable: async () =>
    process.platform === 'win32' ? 'Windows has no signal that kills a server and its children at once.' : undefined,
}

interface Protection {
  readonly settings: Readonly<Record<string, string>>
  readonly keys: boolean
}

const DATABASE = 'killed'
const PROCESSES = 2
const CALLERS = 8
const USERS = 32
// Movements between two kills, at least and at most.
const BETWEEN = { least: 50, spread: 250 }
// How long an answer is on its way, as in a network, and is lost when the server dies meanwhile. In milliseconds.
const ANSWER = 40
const LIMIT = 60_000

const migrations = fileURLToPath(new URL('../../prisma/migrations', import.meta.url))

async function run(plan: Plan, { settings, keys }: Protection): Promise<Outcome> {
  await using server = await startKeptServer(settings)
  const url = await createDatabase(server)
  const network = await startLatencyProxy(url, ANSWER)
  using _ = { [Symbol.dispose]: () => network.stop() }
  await using load = await startLoad({ url: network.url, processes: PROCESSES, callers: CALLERS, users: USERS, keys })
  const recoveries: number[] = []
  let stuck = 0
  while (recoveries.length < plan.size && !plan.signal.aborted) {
    stuck += await workOn(load, plan)
    await server.kill()
    const killed = performance.now()
    await server.start()
    if (!(await load.progress(1, LIMIT))) stuck++
    recoveries.push(performance.now() - killed)
    plan.progress(`${recoveries.length} of ${plan.size} kills`)
  }
  stuck += await workOn(load, plan)
  const end = await load.stop(LIMIT)
  const sql = postgres(url, { max: 1, onnotice: () => undefined })
  try {
    const verdict = await verifyLedger(sql, end.journaled)
    const { left, notes } = await findLeft(sql)
    return {
      ...verdict,
      faults: recoveries.length,
      left: left + end.rejections.length,
      stuck: stuck + end.stuck,
      notes: [
        ...(recoveries.length > 0 ? [`from a kill to the next acknowledged call ${Math.round(Math.max(...recoveries))} ms at most`] : []),
        ...verdict.notes,
        ...notes,
        ...end.rejections,
      ],
    }
  } finally {
    await sql.end({ timeout: 1 })
  }
}

async function createDatabase(server: KeptServer): Promise<string> {
  await withConnection(server.url, (sql) => sql.unsafe(`CREATE DATABASE ${DATABASE} TEMPLATE template0`))
  const url = withDatabaseName(server.url, DATABASE)
  await applyMigrations(url, migrations)
  await withConnection(url, async (sql) => {
    await openWallets(sql, USERS)
    // What the runs begin with is not what may be lost, also without synchronous_commit.
    await sql`CHECKPOINT`
  })
  return url
}

/** @returns how many waits were in vain. */
async function workOn(load: Load, { random }: Plan): Promise<number> {
  const count = BETWEEN.least + Math.floor(random() * BETWEEN.spread)
  return (await load.progress(count, LIMIT)) ? 0 : 1
}
