import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PrismaPg } from '@prisma/adapter-pg'
import type { SqlDriverAdapterFactory } from '@prisma/client/runtime/client'
import { Pool, type PoolConfig } from 'pg'
import postgres from 'postgres'
import { lockable, rowLocks } from 'rowlock'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import { startEmbeddedServer } from '../../src/harness/embedded-server.js'
import { applyMigrations } from '../../src/harness/migrations.js'
import { findLeft } from '../find-left.js'
import { Journal, readJournals } from '../journal.js'
import { show } from '../show.js'
import { openWallets, verifyLedger } from '../verify-ledger.js'
import { Findings } from './findings.js'

/** A client with row locks, as the package's users have it. */
export type Client = ReturnType<typeof createClient>

/** How a client of the site is made. */
export interface ClientOptions extends PoolConfig {
  /** What stands between rowlock and its driver. Default: nothing. */
  readonly tamper?: (adapter: SqlDriverAdapterFactory) => SqlDriverAdapterFactory
}

/** A server of the run's own, with a wallet for each of its slots and a journal. */
export interface Site extends AsyncDisposable {
  readonly url: string
  /** One connection for probes and fixtures, which nothing of the run goes through. */
  readonly sql: postgres.Sql
  readonly journal: Journal
  readonly findings: Findings
  /** A client of a pool that is watched; `name` is what PostgreSQL knows its sessions by. */
  client(name: string, options?: ClientOptions): { readonly prisma: Client; readonly pool: Pool }
  /** Ends the clients, and adds what the ledger and the server say now that nothing runs any more. Returns the number of calls. */
  conclude(): Promise<number>
}

export interface SiteOptions {
  /** How many users there are, from 1, each with a wallet. */
  readonly users: number
  /** Settings of the server. */
  readonly settings?: Readonly<Record<string, string>>
}

const SETTINGS = {
  max_connections: '200',
  fsync: 'off',
  full_page_writes: 'off',
  autovacuum: 'off',
  jit: 'off',
  timezone: 'UTC',
  // The start is recognised by an English word of it.
  lc_messages: 'C',
  log_min_messages: 'log',
}

const migrations = fileURLToPath(new URL('../../prisma/migrations', import.meta.url))

export async function openSite({ users, settings = {} }: SiteOptions): Promise<Site> {
  const server = await startEmbeddedServer({ ...SETTINGS, ...settings })
  const folder = await mkdtemp(join(tmpdir(), 'rowlock-journals-'))
  const { url } = server
  await applyMigrations(url, migrations)
  const sql = postgres(url, { max: 1, onnotice: () => undefined })
  await openWallets(sql, users)
  const journal = await Journal.open(folder, 'run')
  const findings = new Findings()
  const pools: Pool[] = []
  const clients: Client[] = []
  const onRejection = (reason: unknown) => findings.add('left', `nobody handled ${show(reason)}`)
  process.on('unhandledRejection', onRejection)

  const endClients = async () => {
    await Promise.all(clients.splice(0).map((client) => client.$disconnect()))
    await Promise.all(pools.splice(0).map((pool) => pool.end()))
  }
  return {
    url,
    sql,
    journal,
    findings,
    client(name, { tamper, ...options } = {}) {
      const pool = new Pool({ connectionString: url, max: 3, application_name: name, ...options })
      // Of a connection that died while nobody used it.
      pool.on('error', () => undefined)
      pools.push(pool)
      const prisma = createClient(pool, url, tamper)
      clients.push(prisma)
      return { prisma, pool }
    },
    async conclude() {
      const waiting = await findLeft(sql, { sessions: Infinity, pools })
      await endClients()
      const after = await findLeft(sql)
      for (const what of new Set([...waiting.notes, ...after.notes])) findings.add('left', what)
      const { operations, notes, ...tally } = await verifyLedger(sql, await readJournals(folder))
      findings.addTally(tally, notes)
      return operations
    },
    async [Symbol.asyncDispose]() {
      process.off('unhandledRejection', onRejection)
      await endClients()
      await journal[Symbol.asyncDispose]()
      await sql.end({ timeout: 1 })
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function createClient(pool: Pool, direct: string, tamper: ClientOptions['tamper'] = (adapter) => adapter) {
  // What cancels a lock wait must not meet the same fault.
  const adapter = lockable(tamper(new PrismaPg(pool)), { connection: direct })
  return new PrismaClient({ adapter }).$extends(rowLocks())
}
