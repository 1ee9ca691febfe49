import { fileURLToPath } from 'node:url'
import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import postgres from 'postgres'
import { isRowLockError, lockable, lockInOrder, rowLocks } from 'rowlock'
import { withDatabaseName } from '../../src/harness/database-url.js'
import { applyMigrations } from '../../src/harness/migrations.js'
import { withConnection } from '../../src/harness/with-connection.js'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import { startTcpProxy, type TcpProxy } from '../../test/support/tcp-proxy.js'
import type { Fault, Outcome, Plan } from '../fault.js'
import { findLeft } from '../find-left.js'
import { growthOf, heapSize } from '../heap.js'
import { type KeptServer, startKeptServer } from '../kept-server.js'
import { type Load, startLoad } from '../load.js'
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

/** What faults are inflicted on. */
interface Stage {
  readonly server: KeptServer
  readonly url: string
  readonly network: TcpProxy
  /** A client of this process, on a small pool, which lives as long as the soak does. */
  readonly prisma: SoakClient
  readonly random: () => number
}

/** A fault of the mix, each under the load that goes on meanwhile. Resolves once it is inflicted. */
type Ingredient = (stage: Stage) => Promise<void>

const MIX: readonly Ingredient[] = [killServer, terminateBackends, cutConnections, deadlock, crowd]

const DATABASE = 'soak'
const PROCESSES = 2
const CALLERS = 6
const USERS = 12
const MOST_GROWTH = 0.05
// Movements between two faults, at least and at most.
const BETWEEN = { least: 40, spread: 160 }
const CONNECTIONS = 4
const CROWD = 100
const LIMIT = 60_000

const migrations = fileURLToPath(new URL('../../prisma/migrations', import.meta.url))

/** @param plan Its size is in seconds. */
async function run(plan: Plan): Promise<Outcome> {
  await using server = await startKeptServer()
  const url = await createDatabase(server)
  await using network = await startTcpProxy(url)
  await using own = openClient(url)
  const stage: Stage = { server, url, network, prisma: own.prisma, random: plan.random }
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
    return {
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
  } finally {
    await sql.end({ timeout: 1 })
  }
}

async function killServer({ server }: Stage): Promise<void> {
  await server.kill()
  await server.start()
}

/** Whatever they are doing: waiting for a lock, holding one, committing. */
async function terminateBackends({ url }: Stage): Promise<void> {
  await withConnection(
    url,
    (sql) => sql`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND random() < 0.5`,
  )
}

/** Before the server has got what is sent, and after, when its answer goes nowhere. */
async function cutConnections({ network, random }: Stage): Promise<void> {
  const cuts = 1 + Math.floor(random() * CALLERS)
  for (let cut = 0; cut < cuts; cut++) {
    const fate = random() < 0.5 ? 'cut' : 'deliver and cut'
    await new Promise<void>((resolve) => {
      network.fate = () => {
        network.fate = () => 'pass'
        resolve()
        return fate
      }
    })
  }
}

/** Callers that take two rows in opposite orders, some of them with `lockInOrder`. */
async function deadlock({ prisma, random }: Stage): Promise<void> {
  const calls = Array.from({ length: 2 * CONNECTIONS }, (_, call) => {
    const users = call % 2 === 0 ? [1, 2] : [2, 1]
    const inOrder = random() < 0.5
    return prisma.$transactionWithRetry(async (tx) => {
      const rows = users.map((userId) => ({ model: 'wallet' as const, where: { userId } }))
      if (inOrder) await lockInOrder(tx, rows)
      else for (const { where } of rows) await tx.wallet.findUnique({ where, lock: 'forUpdate' })
    })
  })
  await answersOf(calls)
}

/** Many more callers than connections. */
async function crowd({ prisma }: Stage): Promise<void> {
  await answersOf(Array.from({ length: CROWD }, (_, n) => prisma.wallet.withLock({ where: { userId: 1 + (n % USERS) } }, async () => n)))
}

/** All end, and those that fail do so with a class of rowlock's. */
async function answersOf(calls: readonly Promise<unknown>[]): Promise<void> {
  for (const answer of await Promise.allSettled(calls)) {
    if (answer.status === 'rejected' && !isRowLockError(answer.reason)) throw answer.reason
  }
}

function openClient(url: string) {
  const pool = new Pool({ connectionString: url, max: CONNECTIONS })
  // A connection that dies while it is idle reports to the pool, which makes a new one.
  pool.on('error', () => undefined)
  const prisma = new PrismaClient({ adapter: lockable(new PrismaPg(pool)) }).$extends(rowLocks())
  const close = async () => {
    await prisma.$disconnect()
    await pool.end()
  }
  return { prisma, [Symbol.asyncDispose]: close }
}

type SoakClient = ReturnType<typeof openClient>['prisma']

async function createDatabase(server: KeptServer): Promise<string> {
  await withConnection(server.url, (sql) => sql.unsafe(`CREATE DATABASE ${DATABASE} TEMPLATE template0`))
  const url = withDatabaseName(server.url, DATABASE)
  await applyMigrations(url, migrations)
  await withConnection(url, (sql) => openWallets(sql, USERS))
  return url
}

/** @returns how many waits were in vain. */
async function workOn(load: Load, { random }: Plan): Promise<number> {
  const count = BETWEEN.least + Math.floor(random() * BETWEEN.spread)
  return (await load.progress(count, LIMIT)) ? 0 : 1
}
