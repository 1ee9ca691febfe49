import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { withDatabaseName } from '../../src/harness/database-url.js'
import { applyMigrations } from '../../src/harness/migrations.js'
import { withConnection } from '../../src/harness/with-connection.js'
import { startTcpProxy } from '../../test/support/tcp-proxy.js'
import type { Fault, Outcome, Plan } from '../fault.js'
import { findLeft } from '../find-left.js'
import { Findings, mergeOutcomes } from '../findings.js'
import { growthOf, heapSize } from '../heap.js'
import { type KeptServer, startKeptServer } from '../kept-server.js'
import { type Load, startLoad } from '../load.js'
import { killHolder, shiftClock, stopHolder } from '../soak/holder-ingredients.js'
import { crowd, cutConnections, deadlock, killServer, terminateBackends } from '../soak/ingredients.js'
import { CALLERS, CONNECTIONS, type Ingredient, openClient, type Stage, USERS } from '../soak/stage.js'
import { openWallets, verifyLedger } from '../verify-ledger.js'

/** Everything at once, for a long time, in processes that live through all of it. */
export const soak: Fault = {
  id: 'F14',
  title: 'soak: everything mixed, for a time',
  how: 'one load under faults that the seed chooses; heap growth of each process after warm-up under 5 %',
  sizes: { full: 1_800, ci: 120, unit: 'faults' },
  run,
  controls: [],
}

/** F1 to F8. */
const MIX: readonly Ingredient[] = [killServer, terminateBackends, cutConnections, killHolder, stopHolder, shiftClock, deadlock, crowd]

const DATABASE = 'soak'
const PROCESSES = 2
const MOST_GROWTH = 0.05
// Movements between two faults, at least and at most.
const BETWEEN = { least: 40, spread: 160 }
const LIMIT = 60_000

const migrations = fileURLToPath(new URL('../../prisma/migrations', import.meta.url))

/** @param plan Its size is in seconds. */
async function run(plan: Plan): Promise<Outcome> {
  await using server = await startKeptServer()
  const url = await createDatabase(server)
  await using network = await startTcpProxy(url)
  await using own = openClient(url)
  const findings = new Findings()
  const stage: Stage = { server, url, network, prisma: own.prisma, random: plan.random, findings }
  await using load = await startLoad({ url: network.url, processes: PROCESSES, callers: CALLERS, users: USERS })
  // Each once, so that all code has been loaded before anything is measured.
  for (const ingredient of MIX) await ingredient(stage)
  const inflicted = new Map<string, number>()
  const heaps: number[][] = []
  let stuck = 0
  for (const until = performance.now() + plan.size * 1_000; performance.now() < until && !plan.signal.aborted;) {
    stuck += await workOn(load, plan)
    const ingredient = MIX[Math.floor(plan.random() * MIX.length)]!
    await ingredient(stage)
    if (!(await load.progress(1, LIMIT))) stuck++
    inflicted.set(ingredient.name, (inflicted.get(ingredient.name) ?? 0) + 1)
    heaps.push([heapSize(), ...(await load.heaps())])
    plan.progress(`${Math.max(0, Math.round((until - performance.now()) / 1_000))} s to go`)
  }
  const end = await load.stop(LIMIT)
  const sql = postgres(url, { max: 1, onnotice: () => undefined })
  try {
    const verdict = await verifyLedger(sql, end.journaled)
    const { left, notes } = await findLeft(sql, { sessions: CONNECTIONS })
    const growth = heaps[0]!.map((_, process) => growthOf(heaps.map((sample) => sample[process]!)))
    const outcome = {
      ...verdict,
      faults: MIX.length + heaps.length,
      left: left + end.rejections.length + growth.filter((one) => one > MOST_GROWTH).length,
      stuck: stuck + end.stuck,
      notes: [
        [...inflicted].map(([name, count]) => `${name} ${count}×`).join(', '),
        `heap growth after warm-up: ${growth.map((one) => `${(one * 100).toFixed(1)} %`).join(', ')}`,
        ...verdict.notes,
        ...notes,
        ...end.rejections,
      ],
    }
    return mergeOutcomes(outcome, { faults: 0, operations: 0, ...findings.tally, notes: findings.samples })
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
    await sql`CREATE TABLE effect (key text PRIMARY KEY, tokens bigint[] NOT NULL DEFAULT '{}')`
  })
  return url
}

/** @returns how many waits were in vain. */
async function workOn(load: Load, { random }: Plan): Promise<number> {
  const count = BETWEEN.least + Math.floor(random() * BETWEEN.spread)
  return (await load.progress(count, LIMIT)) ? 0 : 1
}
