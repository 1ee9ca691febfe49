import { spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'

import { applyMigrations } from 'rowlock/testing'
import { findSchemaDrift } from '../../src/harness/schema-drift.js'
import { withDatabaseName } from '../../src/harness/database-url.js'
import { scratchName } from '../../src/harness/scratch-database.js'
import { withConnection } from '../../src/harness/with-connection.js'
import { useDatabase } from '../support/database.js'

const path = (relative: string) => fileURLToPath(new URL(`../../${relative}`, import.meta.url))
const committed = path('prisma/migrations')

let folder: string
let url: string

beforeEach(async () => {
  const { adminUrl } = inject('template')
  const name = scratchName()
  folder = await mkdtemp(join(tmpdir(), 'rowlock-migrations-'))
  url = withDatabaseName(adminUrl, name)
  await withConnection(adminUrl, (sql) => sql`CREATE DATABASE ${sql(name)} TEMPLATE template0`)
})

afterEach(async () => {
  const { adminUrl } = inject('template')
  const name = new URL(url).pathname.slice(1)
  await rm(folder, { recursive: true, force: true })
  await withConnection(adminUrl, (sql) => sql`DROP DATABASE ${sql(name)} WITH (FORCE)`)
})

async function addMigration(name: string, sql: string): Promise<void> {
  await mkdir(join(folder, name), { recursive: true })
  await writeFile(join(folder, name, 'migration.sql'), sql)
  await writeFile(join(folder, 'migration_lock.toml'), 'provider = "postgresql"\n')
}

const rowsOf = (text: string) => withConnection(url, (sql) => sql.unsafe(text))

describe('applyMigrations', () => {
  test('applies the committed migrations once', async () => {
    const names = ['20261121000000_init', '20261121095620_lockers']
    expect(await applyMigrations(url, committed)).toEqual(names)
    expect(await applyMigrations(url, committed)).toEqual([])
    const rows = await rowsOf('SELECT migration_name, applied_steps_count, finished_at FROM _prisma_migrations ORDER BY migration_name')
    const applied = { applied_steps_count: 1, finished_at: expect.any(Date) as Date }
    expect(rows).toMatchObject(names.map((name) => ({ migration_name: name, ...applied })))
  })

  test.each(['', 'src', 'not-there'])('refuses %j, which holds no migrations', async (given) => {
    await expect(applyMigrations(url, given)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })

  test('goes on where an earlier run stopped', async () => {
    await cp(committed, folder, { recursive: true })
    await applyMigrations(url, folder)
    await addMigration('20270101000000_later', 'CREATE TABLE later ();')
    expect(await applyMigrations(url, folder)).toEqual(['20270101000000_later'])
  })

  test('runs a script whole: functions, semicolons in comments and strings, settings', async () => {
    await addMigration(
      '20270101000000_script',
      `-- one; two
       SET LOCAL search_path = public;
       CREATE TABLE note (text text DEFAULT 'a;b');
       CREATE FUNCTION answer() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; RETURN 42; END $$;
       INSERT INTO note DEFAULT VALUES;`,
    )
    await applyMigrations(url, folder)
    expect(await rowsOf('SELECT text, answer() FROM note')).toEqual([{ text: 'a;b', answer: 42 }])
  })

  test('a migration that fails is named, undone as a whole, and blocks the next run until resolved', async () => {
    await addMigration('20270101000000_broken', 'CREATE TABLE half (); SELECT * FROM no_such_table;')
    await expect(applyMigrations(url, folder)).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringMatching(/^The migration 20270101000000_broken failed: .*no_such_table.*42P01/) as string,
    })
    expect(await rowsOf(`SELECT FROM pg_tables WHERE tablename = 'half'`)).toHaveLength(0)
    await expect(applyMigrations(url, folder)).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringContaining('P3009') as string,
    })
  })

  test('a database with tables but without a history is refused, as by prisma migrate deploy', async () => {
    await rowsOf('CREATE TABLE somebodys (id int)')
    await expect(applyMigrations(url, committed)).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringContaining('P3005') as string,
    })
  })

  test("puts everything into the schema that the URL's schema parameter names", async () => {
    await applyMigrations(`${url}?schema=side`, committed)
    const rows = await rowsOf(`SELECT DISTINCT schemaname FROM pg_tables WHERE schemaname IN ('public', 'side')`)
    expect(rows).toEqual([{ schemaname: 'side' }])
  })

  test('a folder that is not there is refused before the database is asked', async () => {
    await expect(applyMigrations('postgresql://nobody@nowhere/nothing', '/no/such/folder')).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'migrations',
    })
  })

  test('leaves no timer that keeps the process alive', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
    const before = timers()
    await applyMigrations(url, committed)
    // Fewer, when one that a test before it has left comes to its end.
    expect(timers()).toBeLessThanOrEqual(before)
  })

  test('leaves no session behind', async () => {
    await applyMigrations(url, committed)
    const rows = await rowsOf('SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()')
    expect(rows).toHaveLength(0)
  })
})

describe('the committed migrations', () => {
  test('arrive at prisma/schema.prisma', async () => {
    expect(await findSchemaDrift(url, committed, path('prisma/schema.prisma'))).toBe('')
  })

  test('are seen to drift when the schema has one column more', async () => {
    const schema = join(folder, 'schema.prisma')
    await writeFile(schema, 'datasource db {\n  provider = "postgresql"\n}\nmodel Extra {\n  id Int @id\n}\n')
    expect(await findSchemaDrift(url, committed, schema)).toContain('CREATE TABLE "Extra"')
  })
})

describe('npm run migrate', () => {
  const migrate = (env: NodeJS.ProcessEnv) =>
    spawnSync(process.execPath, ['--import', 'tsx', path('scripts/migrate.ts')], {
      cwd: path('.'),
      encoding: 'utf8',
      env: { ...process.env, ...env },
    })

  test('says which variable is missing', () => {
    const { status, stderr } = migrate({ DATABASE_URL: '' })
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('DATABASE_URL is not set') as string })
  })

  test('migrates, and says with which engine', () => {
    const { status, stdout } = migrate({ DATABASE_URL: url })
    expect(stdout).toMatch(/^Migrated by (prisma migrate deploy|@prisma\/schema-engine-wasm)/m)
    expect(status).toBe(0)
  })
})

describe('the constraints refuse', () => {
  const database = useDatabase()

  test.each([
    ['wallet_balance_not_negative', `INSERT INTO "Wallet" ("userId", "balance") VALUES (1, -0.01)`],
    ['wallet_entry_amount_not_zero', entry('CREDIT', 0, 0)],
    ['wallet_entry_sign_matches_kind', entry('CREDIT', -1, 0)],
    ['wallet_entry_sign_matches_kind', entry('WITHDRAWAL', 1, 0)],
    ['wallet_entry_balance_not_negative', entry('WITHDRAWAL', -1, -1)],
    ['coupon_value_positive', `INSERT INTO "Coupon" ("walletId", "entryId", "value") VALUES (1, 1, 0)`],
    ['company_count_not_negative', `INSERT INTO "Company" ("name", "count") VALUES ('c', -1)`],
    ['reading_quota_remaining_not_negative', `INSERT INTO "ReadingQuota" ("userId", "remaining") VALUES (1, -1)`],
    [
      'reading_quota_change_remaining_not_negative',
      `INSERT INTO "ReadingQuotaChange" ("userId", "delta", "remaining", "reason") VALUES (1, -1, -1, 'read')`,
    ],
    ['event_remaining_not_negative', `INSERT INTO "Event" ("name", "remaining") VALUES ('e', -1)`],
    ['ticket_sold_iff_owned', `INSERT INTO "Ticket" ("eventId", "seat", "soldAt") VALUES (1, 1, now())`],
    ['ticket_sold_iff_owned', `INSERT INTO "Ticket" ("eventId", "seat", "userId") VALUES (1, 1, 1)`],
    ['ticket_without_seat_is_sold', `INSERT INTO "Ticket" ("eventId") VALUES (1)`],
    ['order_number_positive', `INSERT INTO "Order" ("id", "userId", "number", "amount") VALUES ('o', 1, 0, 1)`],
    ['order_amount_not_negative', `INSERT INTO "Order" ("id", "userId", "number", "amount") VALUES ('o', 1, 1, -1)`],
  ])('%s: %s', async (constraint, statement) => {
    await expect(database.sql.unsafe(statement)).rejects.toMatchObject({ code: '23514', constraint_name: constraint })
  })
})

function entry(kind: string, amount: number, balance: number): string {
  return `INSERT INTO "WalletEntry" ("walletId", "kind", "amount", "balance") VALUES (1, '${kind}', ${amount}, ${balance})`
}
