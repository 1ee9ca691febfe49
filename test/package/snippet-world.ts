import assert from 'node:assert/strict'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import type postgres from 'postgres'
import * as rowlock from 'rowlock'
import * as lockers from 'rowlock/lockers'
import * as repositories from 'rowlock/repositories'
import * as testing from 'rowlock/testing'
import { expect } from 'vitest'

import * as generated from '../../src/generated/prisma/client.js'
import type { TestClient } from '../support/client.js'
import type { TestDatabase } from '../support/database.js'
import type { SnippetWorld } from './run-snippet.js'

/** What a snippet of a test file has asked a test runner to run, in its order. */
type Deferred = () => unknown

/** A world that knows what a snippet has left in it. */
export interface OpenWorld extends SnippetWorld, AsyncDisposable {
  /** Runs what the snippet has registered as tests and hooks. */
  runTests(): Promise<void>
}

/** The world of one snippet: the database of the test file, and the packages that users have. */
export function openWorld(database: TestDatabase, prisma: TestClient): OpenWorld {
  const clients: generated.PrismaClient[] = []
  const pools: pg.Pool[] = []
  const deferred = { before: [] as Deferred[], tests: [] as Deferred[], after: [] as Deferred[] }

  class PrismaClient extends generated.PrismaClient {
    constructor(options: ConstructorParameters<typeof generated.PrismaClient>[0]) {
      super(options)
      clients.push(this)
    }
  }
  class Pool extends pg.Pool {
    constructor(config?: pg.PoolConfig) {
      super(config)
      pools.push(this)
    }
  }
  // A test inside a test is refused by the runner that runs this one.
  const vitest = {
    expect,
    beforeAll: (work: Deferred) => deferred.before.push(work),
    afterAll: (work: Deferred) => deferred.after.push(work),
    test: (_title: string, work: Deferred) => deferred.tests.push(work),
  }
  const modules: Record<string, object> = {
    rowlock,
    'rowlock/lockers': lockers,
    'rowlock/repositories': repositories,
    'rowlock/testing': testing,
    '@prisma/adapter-pg': { PrismaPg },
    pg: { Pool },
    vitest,
    'node:assert/strict': { default: assert },
  }
  return {
    globals: {
      prisma,
      PrismaClient,
      PrismaPg,
      Pool,
      database: { url: database.url },
      process: { env: { DATABASE_URL: database.url } },
      console: { log: () => undefined, error: () => undefined, warn: () => undefined },
    },
    load: (name) => {
      const module = /\/generated\/prisma\/client\.js$/.test(name) ? { ...generated, PrismaClient } : modules[name]
      if (module === undefined) throw new Error(`A snippet imports ${name}, which its world does not have.`)
      return module
    },
    async runTests() {
      try {
        for (const work of [...deferred.before, ...deferred.tests]) await work()
      } finally {
        for (const work of deferred.after) await work()
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...clients.map((client) => client.$disconnect()), ...pools.map((pool) => pool.end())])
    },
  }
}

/**
 * What every snippet starts from, as `docs/guide/README.md` tells its readers: three users with 100.00 each, one
 * company, two events, one of them with free seats, and three jobs.
 */
export async function seedSnippets(sql: postgres.Sql): Promise<void> {
  const tables = await sql<{ name: string }[]>`
    SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_prisma_migrations'`
  await sql.unsafe(`TRUNCATE ${tables.map(({ name }) => name).join(', ')} RESTART IDENTITY CASCADE`)
  await sql.unsafe(`
    INSERT INTO "User" (name) VALUES ('Ada'), ('Ben'), ('Cleo');
    INSERT INTO "Wallet" ("userId", balance) VALUES (1, 100), (2, 100), (3, 100);
    INSERT INTO "WalletEntry" ("walletId", kind, amount, balance) SELECT id, 'CREDIT', 100, 100 FROM "Wallet";
    INSERT INTO "Company" (name, count) VALUES ('Acme', 5);
    INSERT INTO "Event" (id, name, remaining) VALUES (1, 'Concert', 15), (7, 'Lecture', 100);
    INSERT INTO "Ticket" ("eventId", seat) SELECT 1, seat FROM generate_series(1, 5) AS seat;
    INSERT INTO "Job" (queue, payload) SELECT 'mail', jsonb_build_object('to', name) FROM "User";
  `)
}
