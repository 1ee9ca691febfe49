import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import {
  AmbiguousCommitError,
  ConnectionLostError,
  directQuery,
  InvalidOptionError,
  lockable,
  LockNotSupportedError,
  LockTimeoutError,
  rowLocks,
} from 'rowlock'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Prisma, PrismaClient } from '../../src/generated/prisma/client.js'
import { createClient, type TestClient } from '../support/client.js'
import { useDatabase, waitUntilSessionsBlocked } from '../support/database.js'
import { held } from '../support/held.js'
import { expectRejection } from '../support/rejections.js'
import { startTcpProxy } from '../support/tcp-proxy.js'

const database = useDatabase()
let prisma: TestClient

beforeAll(async () => {
  prisma = createClient(database).prisma
  await prisma.company.create({ data: { name: 'Acme', count: 10 } })
})
afterAll(() => prisma.$disconnect())

const decrement = {
  text: `UPDATE "Company" SET "count" = "count" - $2 WHERE "name" = $1 AND "count" >= $2 RETURNING "count"`,
  values: ['Acme', 1],
}

test('a direct query runs one statement and returns its rows', async () => {
  expect(await directQuery(prisma, decrement)).toEqual([{ count: 9 }])
  expect(await directQuery(prisma, { ...decrement, values: ['Acme', 100] })).toEqual([])
  expect(await prisma.company.findUnique({ where: { name: 'Acme' } })).toMatchObject({ count: 9 })
})

test('values come back as those of a raw query of Prisma, and go in as they are', async () => {
  const values = [7, 2n ** 62n, 'text', true, new Prisma.Decimal('12.50'), new Date(12_345), null, ['a', null], [1n, 2n]]
  const sql = `SELECT $1::int AS int, $2::bigint AS bigint, $3::text AS text, $4::boolean AS boolean, $5::numeric AS numeric,
    $6::timestamptz AS time, $7::text AS nothing, $8::text[] AS texts, $9::bigint[] AS bigints, '{"a": [1]}'::jsonb AS json,
    '2026-03-01'::date AS date, ARRAY['1.5']::numeric[] AS numerics`
  const [direct] = await directQuery(prisma, { text: sql, values })
  const [raw] = await prisma.$queryRawUnsafe<unknown[]>(sql, ...values)
  expect(direct).toEqual(raw)
  expect(direct).toMatchObject({ bigint: 2n ** 62n, numeric: new Prisma.Decimal('12.50'), time: new Date(12_345), json: { a: [1] } })
})

test('it takes what Prisma.sql makes', async () => {
  const [row] = await directQuery<{ sum: number }>(prisma, Prisma.sql`SELECT ${1}::int + ${2}::int AS sum`)
  expect(row).toEqual({ sum: 3 })
})

test('the statement is prepared once a connection, and not when told not to', async () => {
  const prepared = async (preparedStatements: boolean) => {
    const pool = database.watch(new Pool({ connectionString: database.url, max: 1 }))
    const client = new PrismaClient({ adapter: lockable(new PrismaPg(pool), { preparedStatements }) })
    for (let time = 0; time < 3; time++) await directQuery(client, { text: 'SELECT 1 AS one', values: [] })
    const { rows } = await pool.query('SELECT statement FROM pg_prepared_statements')
    await client.$disconnect()
    await pool.end()
    return rows
  }
  expect(await prepared(true)).toEqual([{ statement: 'SELECT 1 AS one' }])
  expect(await prepared(false)).toEqual([])
})

describe('a statement that the connection has prepared', () => {
  /** A client with one connection, and the types of the messages that it sent since the last call. */
  async function openWatched() {
    const sent: string[] = []
    const proxy = await startTcpProxy(database.url)
    proxy.fate = (data) => {
      for (let at = 0; at < data.length; at += 1 + data.readInt32BE(at + 1)) sent.push(String.fromCharCode(data[at]!))
      return 'pass'
    }
    const pool = database.watch(new Pool({ connectionString: proxy.url, max: 1 }))
    // Connected: the message that opens a connection has no type.
    await pool.query('SELECT 1')
    const client = new PrismaClient({ adapter: lockable(new PrismaPg(pool)) })
    const close = async () => {
      await client.$disconnect()
      await pool.end()
      await proxy[Symbol.asyncDispose]()
    }
    return { client, takeSent: () => sent.splice(0).join(''), close }
  }
  const text = 'SELECT $1::int AS "int", $2::text AS "text", $3::numeric AS "numeric"'
  const ask = (client: object, values: unknown[]) => directQuery(client, { text, values })

  test('is asked for its rows only, which are the same', async () => {
    const { client, takeSent, close } = await openWatched()
    takeSent()
    const first = await ask(client, [1, 'a', '1.5'])
    expect(takeSent()).toBe('PBDES')
    expect(await ask(client, [1, 'a', '1.5'])).toEqual(first)
    expect(takeSent()).toBe('BES')
    expect(await ask(client, [2, null, null])).toEqual([{ int: 2, text: null, numeric: null }])
    expect(await directQuery(client, { text: 'SELECT 1 AS "one" WHERE $1::boolean', values: [false] })).toEqual([])
    expect(await directQuery(client, { text: 'SELECT 1 AS "one" WHERE $1::boolean', values: [true] })).toEqual([{ one: 1 }])
    await close()
  })

  test('is described anew after it has failed, on the same connection, and takes lists and bytes as ever', async () => {
    const { client, takeSent, close } = await openWatched()
    const pidOf = async () => (await directQuery(client, { text: 'SELECT pg_backend_pid() AS "pid"', values: [] }))[0]
    const pid = await pidOf()
    await ask(client, [1, 'a', '1.5'])
    await expect(ask(client, ['no number', 'a', '1.5'])).rejects.toMatchObject({ cause: { originalCode: '22P02' } })
    takeSent()
    expect(await ask(client, [3, 'c', '2'])).toMatchObject([{ int: 3, text: 'c' }])
    expect(takeSent()).toBe('BDES')
    expect(await pidOf()).toEqual(pid)
    const lists = { text: 'SELECT $1::int[] AS "ints", $2::bytea AS "bytes"', values: [[1, 2], new Uint8Array([7])] }
    for (let time = 0; time < 2; time++) expect(await directQuery(client, lists)).toMatchObject([{ ints: [1, 2] }])
    await close()
  })

  test('whose columns a migration has changed is sent without its name', async () => {
    const { client, close } = await openWatched()
    await database.sql`CREATE TABLE widened (value int)`
    await database.sql`INSERT INTO widened VALUES (1)`
    const read = () => directQuery(client, { text: 'SELECT value FROM widened WHERE value = $1', values: [1] })
    expect([await read(), await read()]).toEqual([[{ value: 1 }], [{ value: 1 }]])
    await database.sql`ALTER TABLE widened ALTER value TYPE numeric`
    expect([await read(), await read()]).toEqual(Array(2).fill([{ value: new Prisma.Decimal(1) }]))
    await close()
  })
})

test('an extended client goes the same way, and a client connects when it has not yet', async () => {
  const pool = database.watch(new Pool({ connectionString: database.url, max: 1 }))
  const client = new PrismaClient({ adapter: lockable(new PrismaPg(pool)) }).$extends(rowLocks()).$extends({ name: 'mine' })
  expect(await directQuery(client, { text: 'SELECT 1 AS one', values: [] })).toEqual([{ one: 1 }])
  await client.$disconnect()
  expect(await directQuery(client, { text: 'SELECT 2 AS two', values: [] })).toEqual([{ two: 2 }])
  await client.$disconnect()
})

test('it waits for a row that another transaction has locked, and works on what that left', async () => {
  const other = createClient(database, { poolSize: 1 }).prisma
  const holder = await held(other, (tx) => tx.company.update({ where: { name: 'Acme' }, data: { count: 3 } }))
  const waiting = directQuery(prisma, decrement)
  const [blocked] = await waitUntilSessionsBlocked(database.sql, 1)
  expect(blocked?.blockedBy).toEqual([holder.pid])
  await holder.commit()
  expect(await waiting).toEqual([{ count: 2 }])
  await other.$disconnect()
})

test('a connection that dies while it is being opened has sent nothing, and one that dies over the statement may have', async () => {
  const proxy = await startTcpProxy(database.url)
  const pool = database.watch(new Pool({ connectionString: proxy.url, max: 1 }))
  const client = new PrismaClient({ adapter: lockable(new PrismaPg(pool)) })
  const ask = () => directQuery(client, { text: 'SELECT 1 AS one', values: [] })
  proxy.fate = () => 'cut'
  await expectRejection(ask(), ConnectionLostError)
  proxy.fate = () => 'pass'
  expect(await ask()).toEqual([{ one: 1 }])
  proxy.fate = () => 'cut'
  await expectRejection(ask(), AmbiguousCommitError)
  await client.$disconnect()
  await pool.end()
  await proxy[Symbol.asyncDispose]()
})

test('a lock timeout is a LockTimeoutError', async () => {
  const other = createClient(database, { poolSize: 1 }).prisma
  const holder = await held(other, (tx) => tx.company.findUnique({ where: { name: 'Acme' }, lock: 'forUpdate' }))
  const text = `SELECT "id" FROM "Company", (SELECT set_config('lock_timeout', '20ms', true) OFFSET 0) AS "limit" WHERE "name" = $1 FOR UPDATE OF "Company"`
  await expect(directQuery(prisma, { text, values: ['Acme'] })).rejects.toThrow(LockTimeoutError)
  await holder.rollback()
  await other.$disconnect()
})

test('it refuses a transaction, a client without lockable(), and what is no statement, before anything is sent', async () => {
  await prisma.$transaction((tx) => expect(directQuery(tx, decrement)).rejects.toThrow(LockNotSupportedError))
  const plain = new PrismaClient({ adapter: new PrismaPg({ connectionString: database.url }) })
  await expect(directQuery(plain, decrement)).rejects.toThrow(LockNotSupportedError)
  await plain.$disconnect()
  for (const bad of [
    undefined,
    null,
    'SELECT 1',
    {},
    { text: '', values: [] },
    { text: 'SELECT 1' },
    { text: 'SELECT $1', values: [undefined] },
  ]) {
    await expect(directQuery(prisma, bad as never)).rejects.toThrow(InvalidOptionError)
  }
})
