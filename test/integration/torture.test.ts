import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pool } from 'pg'
import postgres from 'postgres'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { findLeft } from '../../torture/find-left.js'
import { Journal, readJournals } from '../../torture/journal.js'
import { move, type Movement } from '../../torture/movement.js'
import { openWallets, verifyLedger } from '../../torture/verify-ledger.js'
import { createClient, type TestClient } from '../support/client.js'
import { expectClean, useDatabase } from '../support/database.js'

const NOTHING = { lost: 0, doubled: 0, phantoms: 0, falseNegatives: 0, unresolved: 0, wrong: 0, untyped: 0 }

const database = useDatabase()
let prisma: TestClient
beforeAll(() => {
  prisma = createClient(database).prisma
})

describe('the ledger of a run', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rowlock-journal-'))
    await database.sql`TRUNCATE "User", "IdempotencyRecord" CASCADE`
    await openWallets(database.sql, 2)
    await using journal = await Journal.open(folder, 'run')
    for (const movement of movements()) await journal.record(movement, () => move(prisma, movement))
  })
  afterEach(() => rm(folder, { recursive: true }))

  /** Each kind with a key and without, and calls that are made again under their key. */
  function movements(): Movement[] {
    const four = ([1, 2, 3, 4] as const).map((n): Movement => ({
      id: n * 10_000_001,
      kind: n % 2 === 0 ? 'credit' : 'withdraw',
      userId: n < 3 ? 1 : 2,
      ...(n < 3 ? { key: `key ${n}` } : {}),
    }))
    return [...four, ...four.slice(0, 2)]
  }

  async function verdict() {
    const { operations, notes, ...tally } = await verifyLedger(database.sql, await readJournals(folder))
    return { operations, tally, notes }
  }

  test('is right when nothing went wrong', async () => {
    expect(await verdict()).toEqual({ operations: 6, tally: NOTHING, notes: [] })
  })

  test('is found to lack what was deleted', async () => {
    await database.sql`DELETE FROM "WalletEntry" WHERE amount = -300000.03`.then(
      () => database.sql`
      UPDATE "Wallet" SET balance = balance + 300000.03 WHERE "userId" = 2`,
    )
    const { tally } = await verdict()
    expect(tally).toMatchObject({ lost: 1, doubled: 0, phantoms: 0 })
  })

  test('is found to hold an entry twice, and one that nobody intended', async () => {
    await database.sql`INSERT INTO "WalletEntry" ("walletId", kind, amount, balance) SELECT "walletId", kind, amount, balance FROM "WalletEntry" WHERE amount = -300000.03`
    await database.sql`INSERT INTO "WalletEntry" ("walletId", kind, amount, balance) SELECT "walletId", kind, -77, balance FROM "WalletEntry" WHERE amount = -300000.03 LIMIT 1`
    const { tally } = await verdict()
    expect(tally).toMatchObject({ lost: 0, doubled: 1, phantoms: 1 })
    expect(tally.wrong).toBeGreaterThan(0)
  })

  test('is found to have forgotten a key', async () => {
    await database.sql`DELETE FROM "IdempotencyRecord" WHERE "key" = 'key 1'`
    expect((await verdict()).tally).toEqual({ ...NOTHING, wrong: 1 })
  })
})

describe('what is left', () => {
  let other: postgres.Sql
  let sessions: number
  beforeEach(async () => {
    const [row] = await database.sql<{ count: number }[]>`
      SELECT count(*)::int AS count FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`
    sessions = row!.count
    other = postgres(database.url, { max: 1, onnotice: () => {} })
    await other`SELECT 1`
    return async () => {
      await other.end({ timeout: 1 })
      await expectClean(database.sql)
    }
  })
  const look = () => findLeft(database.sql, { sessions: sessions + 1, grace: 100 })

  test('is nothing when the sessions of the pool are idle', async () => {
    expect(await look()).toEqual({ left: 0, notes: [] })
  })

  test('is a transaction, its locks, and an advisory lock', async () => {
    await other.begin(async (session) => {
      await session`SELECT pg_advisory_xact_lock(1), pg_current_xact_id()`
      const { left, notes } = await look()
      expect(left).toBe(3)
      expect(notes.join()).toMatch(/advisory lock.*open transaction.*row locks/s)
    })
  })

  test('is a lease in force, until its time has come', async () => {
    await database.sql`
      INSERT INTO "Lease" ("key", owners, shared, "expiresAt") VALUES ('k', '{dead}', false, clock_timestamp() + interval '2 s')`
    expect(await look()).toMatchObject({ left: 1, notes: ['left: a lease of k, held by dead'] })
    expect(await findLeft(database.sql, { sessions: sessions + 1 })).toMatchObject({ left: 0 })
  })

  test('is a session more than the pool has', async () => {
    expect(await findLeft(database.sql, { sessions, grace: 100 })).toMatchObject({ left: 1 })
  })

  test('is a connection that has not come back to its pool', async () => {
    const pool = new Pool({ connectionString: database.url })
    const connection = await pool.connect()
    expect(await findLeft(database.sql, { sessions: sessions + 2, pools: [pool], grace: 100 })).toMatchObject({ left: 1 })
    connection.release()
    await pool.end()
  })
})
