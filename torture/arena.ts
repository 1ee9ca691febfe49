import { fileURLToPath } from 'node:url'
import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import postgres from 'postgres'
import { lockable, rowLocks } from 'rowlock'
import { cloneDatabase, createTemplate, type Database, startDatabase, type TemplateDatabase } from 'rowlock/testing'
import { PrismaClient } from '../src/generated/prisma/client.js'
import { findLeft } from './find-left.js'
import type { Findings } from './findings.js'

/** Where a run takes place: a migrated database of its own, and clients that are watched. */
export interface Arena extends AsyncDisposable {
  readonly url: string
  /** For probes and fixtures; nothing of the run goes through it. */
  readonly sql: postgres.Sql
  /** A client with row locks, as the package's users have it. */
  client(poolSize?: number): ArenaClient
  /** Another client on the same pool. */
  clientOn(pool: Pool): ArenaPrisma
  /** A pool whose clients must all be back in the end. */
  pool(size: number): Pool
  /** Adds what the run has left behind once it has had a moment to end. */
  findLeft(findings: Findings): Promise<void>
}

export interface ArenaClient {
  readonly prisma: ArenaPrisma
  readonly pool: Pool
}

export type ArenaPrisma = ReturnType<typeof extendedClient>

/** What the probes' own sessions are called. */
export const PROBE = 'torture probe'
const PROBES = 4

const migrations = fileURLToPath(new URL('../prisma/migrations', import.meta.url))
let shared: Promise<{ readonly database: Database; readonly template: TemplateDatabase }> | undefined

/** One server serves all runs of this process, as a start takes longer than many of them. */
function sharedServer() {
  return (shared ??= startServer())
}

async function startServer() {
  const database = await startDatabase()
  return { database, template: await createTemplate(database.url, { migrations }) }
}

/** Stops the server that runs of this process share. It would end with the process, too. */
export async function closeArenas(): Promise<void> {
  const server = shared
  shared = undefined
  await (await server)?.database.stop()
}

function extendedClient(pool: Pool) {
  return new PrismaClient({ adapter: lockable(new PrismaPg(pool)) }).$extends(rowLocks())
}

/** @param settings PostgreSQL settings of all its sessions. */
export async function openArena(settings: Readonly<Record<string, string>> = {}): Promise<Arena> {
  const { template } = await sharedServer()
  const clone = await cloneDatabase(template)
  const probe = postgres(clone.url, { max: 1, onnotice: () => undefined, connection: { application_name: PROBE } })
  const sql = postgres(clone.url, { max: PROBES, onnotice: () => undefined, connection: { application_name: PROBE } })
  for (const [name, value] of Object.entries(settings)) {
    await sql`DO ${sql.unsafe(`$$ BEGIN EXECUTE format('ALTER DATABASE %I SET ${name} = %L', current_database(), '${value}'); END $$`)}`
  }
  const pools: Pool[] = []

  const pool = (size: number) => {
    const opened = new Pool({ connectionString: clone.url, max: size })
    pools.push(opened)
    return opened
  }

  return {
    url: clone.url,
    sql,
    pool,
    client(poolSize = 10) {
      const own = pool(poolSize)
      return { prisma: extendedClient(own), pool: own }
    },
    clientOn: extendedClient,
    async findLeft(findings) {
      const sessions = PROBES + pools.reduce((sum, { totalCount }) => sum + totalCount, 0)
      for (const note of (await findLeft(probe, { sessions, pools })).notes) findings.add('left', note.replace('left: ', ''))
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(pools.filter((one) => !one.ending).map((one) => one.end()))
      await Promise.all([sql, probe].map((one) => one.end({ timeout: 1 })))
      await clone.drop()
    },
  }
}
