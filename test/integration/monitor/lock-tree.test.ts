import { advisoryLockKey, InvalidOptionError, type LockSession, type LockStrength, type LockTarget, lockTree } from 'rowlock'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readWithoutWaiting } from '../../../src/adapter/read-without-waiting.js'
import { readLockTree } from '../../../src/monitor/read-lock-tree.js'
import type { RunQuery } from '../../../src/monitor/run-query.js'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase, waitUntilSessionsBlocked } from '../../support/database.js'
import { held } from '../../support/held.js'
import { expectRejection } from '../../support/rejections.js'
import { createSessions } from '../../support/sessions.js'

const database = useDatabase()
const sessions = createSessions(
  () => database.url,
  () => database.sql,
)

let prisma: TestClient
/** Of three companies. */
let ids: number[]

beforeAll(() => {
  prisma = createClient(database).prisma
})
beforeEach(async () => {
  const rows = Array.from({ length: 3 }, () => ({ name: `company ${Math.random()}` }))
  ids = (await prisma.company.createManyAndReturn({ data: rows, select: { id: true } })).map(({ id }) => id)
})
afterEach(() => sessions.end())

const lock = (id: number | undefined, clause = 'FOR UPDATE') => `SELECT id FROM "Company" WHERE id = ${id} ${clause}`
const company = (id: number | undefined) => ({ kind: 'row', schema: 'public', table: 'Company', model: 'Company', key: { id } })

/** `1(2(3) 4)`, in the names of the sessions: who is below whom. */
const write = (all: readonly LockSession[]): string =>
  all.map(({ applicationName: name, waiters }) => (waiters.length > 0 ? `${name}(${write(waiters)})` : name)).join(' ')

const shape = async () => write((await lockTree(prisma)).roots)

/** The only session that waits. */
async function waiter(): Promise<LockSession> {
  const { roots } = await lockTree(prisma)
  expect(roots).toHaveLength(1)
  expect(roots[0]!.wait).toBeUndefined()
  expect(roots[0]!.waiters).toHaveLength(1)
  return roots[0]!.waiters[0]!
}

const run: RunQuery = (sql) => readWithoutWaiting(database.sql, sql)
const changed =
  (change: (sql: string) => string): RunQuery =>
  (sql) =>
    run(change(sql))

test('while nobody waits, the tree is empty, whatever is locked', async () => {
  const holder = await sessions.begin()
  await holder.run(lock(ids[0]))
  const before = Date.now()
  const { readAt, ...tree } = await lockTree(prisma)
  expect(tree).toEqual({ roots: [], deadlocks: [] })
  expect(Math.abs(readAt.getTime() - before)).toBeLessThan(5_000)
})

describe('a session that waits for a row', () => {
  test.each<[string, LockStrength]>([
    ['SELECT … FOR UPDATE', 'forUpdate'],
    ['SELECT … FOR NO KEY UPDATE', 'forNoKeyUpdate'],
    ['SELECT … FOR SHARE', 'forShare'],
    ['SELECT … FOR KEY SHARE', 'forKeyShare'],
    ['UPDATE', 'forNoKeyUpdate'],
    ['UPDATE of the key', 'forUpdate'],
    ['DELETE', 'forUpdate'],
  ])('is shown with its key, for %s as %s', async (statement, strength) => {
    const holder = await sessions.begin({ name: 'holder' })
    const other = await sessions.begin({ name: 'other' })
    await holder.run(lock(ids[0]))
    await other.wait(
      {
        UPDATE: `UPDATE "Company" SET count = 1 WHERE id = ${ids[0]}`,
        'UPDATE of the key': `UPDATE "Company" SET id = id + 1000 WHERE id = ${ids[0]}`,
        DELETE: `DELETE FROM "Company" WHERE id = ${ids[0]}`,
      }[statement] ?? lock(ids[0], statement.slice('SELECT … '.length)),
    )
    const { roots } = await lockTree(prisma)
    expect(roots).toEqual([
      {
        pid: holder.pid,
        applicationName: 'holder',
        user: 'postgres',
        state: 'idle in transaction',
        query: lock(ids[0]),
        transactionAge: expect.any(Number) as number,
        waiters: [
          {
            pid: other.pid,
            applicationName: 'other',
            user: 'postgres',
            state: 'active',
            query: expect.stringContaining(statement.slice(0, 6)) as string,
            transactionAge: expect.any(Number) as number,
            wait: { target: company(ids[0]), strength, duration: expect.any(Number) as number },
            waiters: [],
          },
        ],
      },
    ])
    expect(roots[0]!.transactionAge).toBeGreaterThanOrEqual(roots[0]!.waiters[0]!.wait!.duration)
  })

  test.each<[LockStrength]>([['forUpdate'], ['forNoKeyUpdate'], ['forShare'], ['forKeyShare']])(
    'is shown with the strength of its `lock: %j`, and with its label',
    async (strength) => {
      const holder = await held(prisma, (tx) => tx.company.findUnique({ where: { id: ids[1] }, lock: 'forUpdate' }))
      const waiting = prisma.$transactionWithRetry((tx) => tx.company.findUnique({ where: { id: ids[1]! }, lock: strength }), {
        label: 'close month',
      })
      await waitUntilSessionsBlocked(database.sql, 1)
      expect(await waiter()).toMatchObject({ label: 'close month', applicationName: '', wait: { target: company(ids[1]), strength } })
      await holder.commit()
      await waiting
    },
  )

  test('is shown with the key of the parent, for a row that refers to it', async () => {
    const user = await prisma.user.create({ data: { name: 'Ada' } })
    const holder = await sessions.begin()
    const other = await sessions.begin()
    await holder.run(`SELECT id FROM "User" WHERE id = ${user.id} FOR UPDATE`)
    await other.wait(`INSERT INTO "Order" (id, "userId", number, amount) VALUES ('monitor', ${user.id}, 1, 1)`)
    expect((await waiter()).wait).toMatchObject({ target: { kind: 'row', model: 'User', key: { id: user.id } }, strength: 'forKeyShare' })
  })

  test('is shown with the key also while the holder changes the row', async () => {
    const holder = await sessions.begin()
    const other = await sessions.begin()
    await holder.run(`UPDATE "Company" SET count = 7 WHERE id = ${ids[0]}`)
    await other.wait(lock(ids[0]))
    expect((await waiter()).wait?.target).toEqual(company(ids[0]))
  })

  test('is below the one who is next, who is below the holder, however many they are', async () => {
    const all = []
    for (const name of ['a', 'b', 'c', 'd', 'e']) all.push(await sessions.begin({ name }))
    const [holder, ...queue] = all
    await holder!.run(lock(ids[0]))
    for (const one of queue) await one.wait(lock(ids[0]))
    expect(await shape()).toBe('a(b(c d e))')
    const { roots } = await lockTree(prisma)
    const targets = roots[0]!.waiters[0]!.waiters.map(({ wait }) => wait!.target)
    expect(targets).toEqual(Array(3).fill(company(ids[0])))
  })

  test('is one for a transaction, and for no row, when the tuple lock is not looked at', async () => {
    const holder = await sessions.begin()
    const other = await sessions.begin()
    await holder.run(lock(ids[0]))
    await other.wait(lock(ids[0]))
    const target = async (query: RunQuery) => (await readLockTree(query)).roots[0]!.waiters[0]!.wait!.target
    expect(await target(changed((sql) => sql.replace(`own.locktype = 'tuple'`, 'false')))).toEqual({ kind: 'transaction' })
    expect(await target(run)).toEqual({ kind: 'row', schema: 'public', table: 'Company', key: { id: ids[0] } })
  })
})

describe('a session that waits for something else', () => {
  test.each<[string, string, string, LockTarget]>([
    ['a table', 'LOCK "Company" IN SHARE MODE', 'INSERT INTO "Company" (name) VALUES (\'new\')', tableTarget()],
    ['a table to be altered', 'SELECT count(*) FROM "Company"', 'ALTER TABLE "Company" ADD COLUMN more int', tableTarget()],
    ['an advisory lock', 'SELECT pg_advisory_xact_lock(77)', 'SELECT pg_advisory_xact_lock(77)', { kind: 'advisory', key: 77n }],
    [
      'an advisory lock with a negative key',
      'SELECT pg_advisory_xact_lock(-9223372036854775808)',
      'SELECT pg_advisory_xact_lock(-9223372036854775808)',
      { kind: 'advisory', key: -(2n ** 63n) },
    ],
    [
      'an advisory lock of two keys',
      'SELECT pg_advisory_xact_lock(-2147483648, 7)',
      'SELECT pg_advisory_xact_lock(-2147483648, 7)',
      { kind: 'advisory', key: [-2147483648, 7] },
    ],
    [
      'a unique value that is inserted',
      `INSERT INTO "Company" (name) VALUES ('same')`,
      `INSERT INTO "Company" (name) VALUES ('same')`,
      { kind: 'transaction' },
    ],
  ])('is shown with what it is: %s', async (_, holds, waits, target) => {
    const holder = await sessions.begin()
    const other = await sessions.begin()
    await holder.run(holds)
    await other.wait(waits)
    const { wait } = await waiter()
    expect(wait).toEqual({ target, duration: expect.any(Number) as number })
  })

  test('is shown with the number of its `$advisoryLock`', async () => {
    const holder = await held(prisma, (tx) => tx.$advisoryLock(['nightly', 2026]))
    const waiting = prisma.$transactionWithRetry((tx) => tx.$advisoryLock(['nightly', 2026]))
    await waitUntilSessionsBlocked(database.sql, 1)
    expect((await waiter()).wait?.target).toEqual({ kind: 'advisory', key: advisoryLockKey(['nightly', 2026]) })
    await holder.commit()
    await waiting
  })

  test('is below a session that holds an advisory lock in no transaction, which has no age', async () => {
    const holder = await sessions.begin({ begin: false })
    const other = await sessions.begin()
    await holder.run('SELECT pg_advisory_lock(78)')
    await other.wait('SELECT pg_advisory_xact_lock(78)')
    await waiter()
    const [root] = (await lockTree(prisma)).roots
    expect(root).toMatchObject({ pid: holder.pid, state: 'idle' })
    expect(root).not.toHaveProperty('transactionAge')
  })
})

function tableTarget(): LockTarget {
  return { kind: 'table', schema: 'public', table: 'Company', model: 'Company' }
}

describe('the forest', () => {
  async function begin<Name extends string>(...names: Name[]) {
    const all = {} as Record<Name, Awaited<ReturnType<typeof sessions.begin>>>
    for (const name of names) all[name] = await sessions.begin({ name })
    return all
  }

  test('has a chain over several rows', async () => {
    const { a, b, c } = await begin('a', 'b', 'c')
    await a.run(lock(ids[0]))
    await b.run(lock(ids[1]))
    await b.wait(lock(ids[0]))
    await c.wait(lock(ids[1]))
    expect(await shape()).toBe('a(b(c))')
  })

  test('has two roots, the oldest transaction first', async () => {
    const { a, b, c, d } = await begin('a', 'b', 'c', 'd')
    await b.run(lock(ids[0]))
    await a.run(lock(ids[1]))
    await c.wait(lock(ids[0]))
    await d.wait(lock(ids[1]))
    expect(await shape()).toBe('a(d) b(c)')
  })

  test('has one who waits for several below each of them', async () => {
    const { a, b, c, d } = await begin('a', 'b', 'c', 'd')
    for (const one of [a, b]) await one.run('LOCK "Company" IN SHARE MODE')
    await c.wait('LOCK "Company" IN EXCLUSIVE MODE')
    // Not one who holds keeps `d` from the table, but one who is before it in the queue.
    await d.wait('LOCK "Company" IN ROW EXCLUSIVE MODE')
    expect(await shape()).toBe('a(c d) b(c d)')
  })

  test('has who waits for nothing but the queue below those in it', async () => {
    const { a, b, c } = await begin('a', 'b', 'c')
    await a.run('SELECT count(*) FROM "Company"')
    await b.wait('LOCK "Company" IN ACCESS EXCLUSIVE MODE')
    await c.wait('SELECT count(*) FROM "Company"')
    expect(await shape()).toBe('a(b(c))')
  })

  test('has a deadlock that is not broken yet below its oldest transaction, with those who wait behind it', async () => {
    const { a, b, c } = await begin('a', 'b', 'c')
    await a.run(lock(ids[0]))
    await b.run(lock(ids[1]))
    await b.wait(lock(ids[0]))
    await a.wait(lock(ids[1]))
    await c.wait(lock(ids[1]))
    // c waits for a, who is the first to get the row that b holds.
    expect(await shape()).toBe('a(b(a) c)')
    const { roots } = await lockTree(prisma)
    expect(roots[0]!.wait?.target).toEqual(company(ids[1]))
  })

  test('knows no sessions of other databases', async () => {
    const elsewhere = createSessions(
      () => database.url.replace(/\/[^/]*$/, '/postgres'),
      () => database.sql,
    )
    const a = await elsewhere.begin()
    const b = await elsewhere.begin()
    await a.run('SELECT pg_advisory_xact_lock(79)')
    await b.wait('SELECT pg_advisory_xact_lock(79)')
    expect(await shape()).toBe('')
    const anywhere = changed((sql) => sql.replace('AND datname = current_database()', ''))
    // Those of other test files may be there as well.
    expect(write((await readLockTree(anywhere)).roots)).toContain('session(session)')
    await b.cancel()
    await elsewhere.end()
  })
})

describe('a key', () => {
  async function target(table: string, where: string): Promise<LockTarget | undefined> {
    const [holder, other] = [await sessions.begin(), await sessions.begin()]
    await holder.run(`SELECT 1 FROM ${table} WHERE ${where} FOR UPDATE`)
    await other.wait(`SELECT 1 FROM ${table} WHERE ${where} FOR UPDATE`)
    return (await waiter()).wait?.target
  }

  test.each<[string, string, string, object]>([
    [
      'of several columns, by column',
      '"b c" bigint, a text, PRIMARY KEY (a, "b c")',
      `9007199254740993, 'x'`,
      { a: 'x', 'b c': 2n ** 53n + 1n },
    ],
    ['that is a uuid', 'id uuid PRIMARY KEY', `'00000000-0000-0000-0000-000000000001'`, { id: '00000000-0000-0000-0000-000000000001' }],
    ['with more columns in its index', 'id smallint, more int, PRIMARY KEY (id) INCLUDE (more)', '7, 8', { id: 7 }],
  ])('%s, where there is no model', async (_, columns, values, key) => {
    await database.sql.unsafe(`CREATE TABLE plain (${columns}); INSERT INTO plain VALUES (${values})`)
    try {
      expect(await target('plain', 'true')).toEqual({ kind: 'row', schema: 'public', table: 'plain', key })
    } finally {
      await sessions.end()
      await database.sql`DROP TABLE plain`
    }
  })

  test('is not there for a table without a primary key', async () => {
    await database.sql`CREATE TABLE plain AS SELECT 1 AS id`
    try {
      expect(await target('plain', 'true')).toEqual({ kind: 'row', schema: 'public', table: 'plain' })
    } finally {
      await sessions.end()
      await database.sql`DROP TABLE plain`
    }
  })

  test('is left out rather than waited for, while a lock on its table is waited for', async () => {
    const [holder, other, third] = [await sessions.begin(), await sessions.begin(), await sessions.begin({ name: 'third' })]
    await holder.run(lock(ids[0]))
    await other.wait(lock(ids[0]))
    await third.wait('LOCK "Company" IN ACCESS EXCLUSIVE MODE')
    const rowTarget = async () => (await lockTree(prisma)).roots[0]!.waiters.find(({ pid }) => pid === other.pid)!.wait!.target
    const { key, ...rest } = company(ids[0])
    expect(await rowTarget()).toEqual(rest)
    await third.cancel()
    // It was the wait, and nothing else, that hid it.
    expect(await rowTarget()).toEqual({ ...rest, key })
  })
})

describe('what another user sees', () => {
  /** As a user who may do no more than `rights`. */
  const asUser =
    (...rights: string[]): RunQuery =>
    async (sql) => {
      let rows: readonly { readonly json: string }[] | undefined
      await database.sql
        .begin(async (tx) => {
          await tx.unsafe(`CREATE ROLE looker; ${rights.map((right) => `GRANT ${right} TO looker;`).join('')} SET LOCAL ROLE looker`)
          rows = await tx.unsafe<{ json: string }[]>(sql)
          throw new Error('the role is not kept')
        })
        .catch((error: unknown) => {
          if (rows === undefined) throw error
        })
      return rows!
    }

  beforeEach(async () => {
    const holder = await sessions.begin({ name: 'api rowlock:close month' })
    const other = await sessions.begin({ name: 'other' })
    await holder.run(lock(ids[0]))
    await other.wait(lock(ids[0]))
  })

  test('without rights is who waits for whom, for which table, and the labels', async () => {
    const { roots } = await readLockTree(asUser())
    expect(write(roots)).toBe('api(other)')
    expect(roots[0]).toMatchObject({ label: 'close month', user: 'postgres', state: '<insufficient privilege>' })
    expect(roots[0]).toMatchObject({ query: '<insufficient privilege>' })
    expect(roots[0]).not.toHaveProperty('transactionAge')
    expect(roots[0]!.waiters[0]!.wait).toMatchObject({ target: { kind: 'row', schema: 'public', table: 'Company' }, strength: 'forUpdate' })
    expect(roots[0]!.waiters[0]!.wait!.target).not.toHaveProperty('key')
  })

  test('with pg_read_all_stats is the queries, too, and with SELECT on the table the key', async () => {
    const { roots } = await readLockTree(asUser('pg_read_all_stats', 'SELECT ON "Company"'))
    expect(roots[0]).toMatchObject({ state: 'idle in transaction', query: lock(ids[0]), transactionAge: expect.any(Number) as number })
    expect(roots[0]!.waiters[0]!.wait!.target).toMatchObject({ key: { id: ids[0] } })
  })
})

describe('the connection', () => {
  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['an object', {}],
    ['a pool', { query: () => undefined }],
  ])('is not to be had of %s', async (_, given) => {
    await expectRejection(lockTree(given as object), InvalidOptionError, { option: 'prisma' })
  })
})
