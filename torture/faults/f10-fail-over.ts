import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { withDatabaseName } from '../../src/harness/database-url.js'
import { applyMigrations } from '../../src/harness/migrations.js'
import { withConnection } from '../../src/harness/with-connection.js'
import type { Fault, Outcome, Plan } from '../fault.js'
import { findLeft } from '../find-left.js'
import { startFront } from '../front.js'
import { type Load, startLoad } from '../load.js'
import { type ServerPair, startServerPair } from '../server-pair.js'
import { openWallets, verifyLedger } from '../verify-ledger.js'

const migrations = fileURLToPath(new URL('../../prisma/migrations', import.meta.url))

const DATABASE = 'fail_over'
const USERS = 8
const PROCESSES = 2
const CALLERS = 6
// Movements between two kills, at least and at most.
const BETWEEN = { least: 40, spread: 120 }
// In milliseconds.
const LIMIT = 60_000

/** A primary that dies under load, and a standby that takes its place with all that was acknowledged. */
export const failOver: Fault = {
  id: 'F10',
  title: 'fail-over to a synchronous standby',
  how: 'two servers, the primary killed with -9 and all its processes, the standby promoted',
  sizes: { full: 20, ci: 3, unit: 'fail-overs' },
  run: (plan) => run(plan, { synchronous: true }),
  controls: [
    {
      without: 'synchronous_standby_names, the standby being behind',
      breaks: 'lost',
      size: 1,
      run: (plan) => run(plan, { synchronous: false }),
    },
  ],
  unavailable: () =>
    Promise.resolve(process.platform === 'win32' ? 'Windows has no signal that kills a server and its children at once.' : undefined),
}

interface Protection {
  readonly synchronous: boolean
}

async function run(plan: Plan, protection: Protection): Promise<Outcome> {
  await using pair = await startServerPair()
  await createDatabase(pair)
  if (protection.synchronous) await pair.beSynchronous()
  await using front = await startFront(pair.port)
  await using load = await startLoad({
    url: front.through(withDatabaseName(pair.url, DATABASE)),
    processes: PROCESSES,
    callers: CALLERS,
    users: USERS,
  })
  let faults = 0
  let stuck = 0
  const durations: number[] = []
  while (faults < plan.size && !plan.signal.aborted) {
    stuck += await workOn(load, plan)
    // What is acknowledged from here on only the primary has.
    if (!protection.synchronous) {
      await pair.cutStandbyOff()
      stuck += await workOn(load, plan)
    }
    const began = performance.now()
    await pair.failOver()
    front.leadTo(pair.port)
    faults++
    const follows = pair.addStandby()
    if (!(await load.progress(1, LIMIT))) stuck++
    durations.push(performance.now() - began)
    await follows
    plan.progress(`${faults} of ${plan.size} fail-overs`)
  }
  stuck += await workOn(load, plan)
  const { journaled, rejections, ...end } = await load.stop(LIMIT)
  const sql = postgres(withDatabaseName(pair.url, DATABASE), { max: 1, onnotice: () => undefined })
  try {
    const verdict = await verifyLedger(sql, journaled)
    const { left, notes } = await findLeft(sql)
    const longest = Math.round(Math.max(...durations))
    return {
      ...verdict,
      faults,
      left: left + rejections.length,
      stuck: stuck + end.stuck,
      notes: [`the longest time from a kill to the next acknowledged call: ${longest} ms`, ...verdict.notes, ...notes, ...rejections],
    }
  } finally {
    await sql.end({ timeout: 1 })
  }
}

async function createDatabase(pair: ServerPair): Promise<void> {
  await withConnection(pair.url, (sql) => sql.unsafe(`CREATE DATABASE ${DATABASE} TEMPLATE template0`))
  const url = withDatabaseName(pair.url, DATABASE)
  await applyMigrations(url, migrations)
  await withConnection(url, (sql) => openWallets(sql, USERS))
}

/** @returns how many waits were in vain. */
async function workOn(load: Load, { random }: Plan): Promise<number> {
  const count = BETWEEN.least + Math.floor(random() * BETWEEN.spread)
  return (await load.progress(count, LIMIT)) ? 0 : 1
}
