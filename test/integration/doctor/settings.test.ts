import { afterEach, describe, expect, test } from 'vitest'
import { startDatabase } from '../../../src/harness/database.js'
import { databaseFacts, remarksOf } from '../../support/doctor.js'
import { useDatabase } from '../../support/database.js'

const database = useDatabase()

const alter = async (what: string) => {
  const [{ name }] = await database.sql<[{ name: string }]>`SELECT current_database() AS name`
  await database.sql.unsafe(`ALTER DATABASE "${name}" ${what}`)
}
/** What a check says of this database with these settings. */
async function check(name: string, settings: Readonly<Record<string, string>> = {}): Promise<string[]> {
  for (const [setting, value] of Object.entries(settings)) await alter(`SET ${setting} = '${value}'`)
  return remarksOf(name, { database: await databaseFacts(database.url) })
}
afterEach(() => alter('RESET ALL'))

describe('lock-timeout', () => {
  test('notes that there is none', async () => {
    expect(await check('lock-timeout')).toEqual([expect.stringMatching(/^note: `lock_timeout` is 0: /)])
  })
  test('warns of one that is longer than a transaction', async () => {
    expect(await check('lock-timeout', { lock_timeout: '6s' })).toEqual([
      expect.stringMatching(/^warning: .*\(6000 ms\) is longer .*\(5000 ms\)/),
    ])
  })
  test('notes one that comes before the search for deadlocks', async () => {
    expect(await check('lock-timeout', { lock_timeout: '900ms' })).toEqual([
      expect.stringMatching(/^note: .*before PostgreSQL looks for a deadlock/),
    ])
  })
  test('finds one in between well', async () => {
    expect(await check('lock-timeout', { lock_timeout: '4s' })).toEqual([expect.stringMatching(/^ok: /)])
  })
})

describe('statement-timeout', () => {
  test('warns of one that ends within a transaction', async () => {
    expect(await check('statement-timeout', { statement_timeout: '3s' })).toEqual([
      expect.stringMatching(/^warning: .*\(3000 ms\) ends within/),
    ])
  })
  test.each(['0', '10s'])('finds %s well', async (statement_timeout) => {
    expect(await check('statement-timeout', { statement_timeout })).toEqual([expect.stringMatching(/^ok: /)])
  })
})

describe('idle-in-transaction', () => {
  const setting = 'idle_in_transaction_session_timeout'
  test('notes that there is none', async () => {
    expect(await check('idle-in-transaction')).toEqual([expect.stringMatching(/^note: .* is 0: a client that hangs/)])
  })
  test('warns of one that is not longer than a transaction', async () => {
    expect(await check('idle-in-transaction', { [setting]: '2s' })).toEqual([
      expect.stringMatching(/^warning: .*\(2000 ms\) is not longer/),
    ])
  })
  test('finds a longer one well', async () => {
    expect(await check('idle-in-transaction', { [setting]: '30s' })).toEqual([expect.stringMatching(/^ok: /)])
  })
})

describe('transaction-timeout', () => {
  test('warns of one that is not longer than a transaction', async () => {
    expect(await check('transaction-timeout', { transaction_timeout: '4s' })).toEqual([
      expect.stringMatching(/^warning: .*\(4000 ms\) is not longer/),
    ])
  })
  test.each(['0', '1min'])('finds %s well', async (transaction_timeout) => {
    expect(await check('transaction-timeout', { transaction_timeout })).toEqual([expect.stringMatching(/^ok: /)])
  })
})

describe('isolation', () => {
  test('notes a level at which a wait ends in an error', async () => {
    expect(await check('isolation', { default_transaction_isolation: 'serializable' })).toEqual([
      expect.stringMatching(/^note: .*of the database is serializable/),
    ])
  })
  test('finds READ COMMITTED well', async () => {
    expect(await check('isolation')).toEqual([expect.stringMatching(/^ok: /)])
  })
})

describe('writable', () => {
  test('finds a problem in a database that is read-only', async () => {
    expect(await check('writable', { default_transaction_read_only: 'on' })).toEqual([
      expect.stringMatching(/^problem: Transactions are read-only/),
    ])
  })
  test('finds a problem in a standby', async () => {
    const facts = await databaseFacts(database.url)
    expect(remarksOf('writable', { database: { ...facts, inRecovery: true } })).toEqual([
      expect.stringMatching(/^problem: The server is a standby/),
    ])
  })
  test('finds a primary well', async () => {
    expect(await check('writable')).toEqual(['ok: The server takes row locks.'])
  })
})

describe('durability', () => {
  test('finds a problem in a server that does not flush, as those of tests', async () => {
    // Whatever the server of DATABASE_URL is like.
    const facts = await databaseFacts(database.url)
    const settings = { ...facts.settings, fsync: 'off', fullPageWrites: 'off', synchronousCommit: 'on' }
    expect(remarksOf('durability', { database: { ...facts, settings } })).toEqual([
      expect.stringMatching(/^problem: `fsync` is off/),
      expect.stringMatching(/^problem: `full_page_writes` is off/),
    ])
  })
  test('warns when a commit is confirmed before it is flushed', async () => {
    expect(await check('durability', { synchronous_commit: 'off' })).toContainEqual(
      expect.stringMatching(/^warning: `synchronous_commit` is off/),
    )
  })
  test('finds a server with its defaults well', async () => {
    await using durable = await startDatabase({ durable: true })
    expect(remarksOf('durability', { database: await databaseFacts(durable.url) })).toEqual(['ok: A commit that was confirmed is on disk.'])
  })
})

describe('postgres-version', () => {
  test('warns of one that is no longer mended', async () => {
    const facts = await databaseFacts(database.url)
    expect(remarksOf('postgres-version', { database: { ...facts, version: 120_019 } })).toEqual([
      expect.stringMatching(/^warning: PostgreSQL is 12\.19,/),
    ])
  })
  test('finds that of the tests well', async () => {
    expect(await check('postgres-version')).toEqual([expect.stringMatching(/^ok: PostgreSQL is \d+\.\d+\.$/)])
  })
})
