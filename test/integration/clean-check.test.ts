import { Pool } from 'pg'
import postgres from 'postgres'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { blockedBy, expectClean, useDatabase, waitUntilBlocked, waitUntilSessionsBlocked } from '../support/database.js'

const database = useDatabase()

// These tests leave something behind on purpose: nothing is on its way back.
const GRACE = 50

// What a test under test would leave behind; gone before the file's own check looks.
let pool: Pool

beforeEach(() => {
  pool = new Pool({ connectionString: database.url })
})

afterEach(() => pool.end())

/** Runs the statements in one session, looks for leftovers, and closes the session. */
async function lookAfter(...statements: string[]): Promise<unknown> {
  const client = await pool.connect()
  try {
    for (const statement of statements) await client.query(statement)
    return await expectClean(database.sql, { grace: GRACE }).catch((error: unknown) => (error as Error).message)
  } finally {
    client.release(true)
  }
}

test('a session that has committed and holds nothing is clean', async () => {
  expect(await lookAfter('BEGIN', `INSERT INTO "Company" ("name") VALUES ('clean')`, 'COMMIT')).toBeUndefined()
})

test('an open transaction is a leftover', async () => {
  expect(await lookAfter('BEGIN', 'SELECT 1')).toMatch(/open transaction \(idle in transaction\).*SELECT 1/)
})

test('a row lock is a leftover', async () => {
  const lock = 'SELECT * FROM "Company" FOR UPDATE'
  expect(await lookAfter('BEGIN', lock)).toMatch(/row locks/)
})

test('an advisory lock of a session without a transaction is a leftover', async () => {
  expect(await lookAfter('SELECT pg_advisory_lock(7)')).toMatch(/an advisory lock/)
  expect(await lookAfter('SELECT pg_advisory_lock_shared(7)')).toMatch(/an advisory lock/)
})

test('a client that was not given back to its pool is a leftover, and is reported once', async () => {
  const known = new Set<string>()
  const client = await pool.connect()
  await expect(expectClean(database.sql, { pools: [pool], known, grace: GRACE })).rejects.toThrow('pool 1: 1 clients out')
  await expect(expectClean(database.sql, { pools: [pool], known, grace: GRACE })).resolves.toBeUndefined()
  client.release()
  await expect(expectClean(database.sql, { pools: [pool] })).resolves.toBeUndefined()
})

test('a blocked session is seen with the session that blocks it', async () => {
  const [holder, waiter] = [await pool.connect(), await pool.connect()]
  const pids = await Promise.all([holder, waiter].map((client) => pidOf(client)))
  const [holderPid, waiterPid] = pids as [number, number]
  await holder.query('SELECT pg_advisory_lock(8)')
  expect(await blockedBy(database.sql, waiterPid)).toEqual([])
  const waiting = waiter.query('SELECT pg_advisory_lock(8)')
  expect(await waitUntilBlocked(database.sql, waiterPid)).toEqual([holderPid])
  expect(await waitUntilSessionsBlocked(database.sql, 1)).toMatchObject([{ pid: waiterPid, blockedBy: [holderPid] }])
  await holder.query('SELECT pg_advisory_unlock(8)')
  await waiting
  holder.release(true)
  waiter.release(true)
})

test('waiting in vain for a blocked session ends at the deadline', async () => {
  const idle = postgres(database.url, { max: 1 })
  const [{ pid } = { pid: 0 }] = await idle<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`
  await expect(waitUntilBlocked(database.sql, pid, { timeout: 50 })).rejects.toThrow('50 ms')
  await idle.end()
})

async function pidOf(client: { query(sql: string): Promise<{ rows: { pid: number }[] }> }): Promise<number> {
  const { rows } = await client.query('SELECT pg_backend_pid() AS pid')
  return rows[0]!.pid
}
