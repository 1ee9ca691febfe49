import postgres from 'postgres'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { findWaits } from '../../../src/adapter/lock-waits.js'
import { SideConnection } from '../../../src/adapter/side-connection.js'
import { useDatabase, waitUntil, waitUntilBlocked } from '../../support/database.js'

const database = useDatabase()

const KEY = 7
const LOCK = `SELECT pg_advisory_xact_lock(${KEY})`

let side: SideConnection
let session: postgres.Sql
let pid: number

beforeAll(async () => {
  side = new SideConnection(database.url)
  session = postgres(database.url, { max: 1 })
})
afterAll(async () => {
  await side.close()
  await session.end()
})
beforeEach(async () => {
  ;[{ pid }] = await session<[{ pid: number }]>`SELECT pg_backend_pid() AS pid`
})

const wait = async (statement: string, backend = pid) => (await findWaits(side, [{ id: 3, pid: backend, sql: statement }])).get(3)

describe('a statement', () => {
  test('that takes its time does not wait', async () => {
    const sleep = 'SELECT pg_sleep(0.3)'
    const sleeping = session.unsafe(sleep).execute()
    await waitUntil('the statement runs', async () => {
      const rows = await database.sql`SELECT FROM pg_stat_activity WHERE pid = ${pid} AND wait_event = 'PgSleep'`
      return rows.length > 0 ? true : undefined
    })
    expect(await wait(sleep)).toBeUndefined()
    await sleeping
  })

  test('that waits for a lock does, for as long as PostgreSQL says, and for who holds it', async () => {
    const [{ holder }] = await database.sql<[{ holder: number }]>`SELECT pg_backend_pid() AS holder FROM pg_advisory_lock(${KEY})`
    const waiting = session.unsafe(LOCK).execute()
    await waitUntilBlocked(database.sql, pid)
    await database.sql`SELECT pg_sleep(0.05)`

    const seen = await wait(LOCK)
    expect(seen?.blockers).toEqual([
      { pid: holder, query: expect.stringContaining('pg_sleep'), applicationName: expect.any(String), state: 'idle', transactionAge: null },
    ])
    expect(seen!.waited).toBeGreaterThanOrEqual(50)
    // PostgreSQL shows no more than the beginning of a long statement.
    expect(await wait(`${LOCK} and so on`)).toBeDefined()
    // A number that a pooler has made up may be that of another session.
    expect(await wait('SELECT 1')).toBeUndefined()
    expect(await wait(LOCK, holder)).toBeUndefined()

    await database.sql`SELECT pg_advisory_unlock(${KEY})`
    await waiting
    expect(await wait(LOCK)).toBeUndefined()
  })

  test('is not known to wait where the server cannot be reached', async () => {
    const nowhere = new SideConnection('postgres://127.0.0.1:1/nowhere')
    expect((await findWaits(nowhere, [{ id: 1, pid, sql: LOCK }])).size).toBe(0)
    await nowhere.close()
  })
})
