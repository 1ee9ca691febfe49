import { once } from 'node:events'
import { PrismaPg } from '@prisma/adapter-pg'
import fc from 'fast-check'
import { Client, Pool } from 'pg'
import { advisoryLockKey, InvalidOptionError, lockable, LockLostError, LockNotAvailableError, LockNotSupportedError } from 'rowlock'
import {
  advisoryLocker,
  type AdvisoryLockerOptions,
  type HeldLock,
  type Locker,
  type PgClient,
  type TransactionLock,
} from 'rowlock/lockers'
import { beforeAll, describe, expect, test } from 'vitest'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { startAnnouncingProxy } from '../../support/announcing-proxy.js'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase, waitUntilSessionsBlocked } from '../../support/database.js'
import { connectionLockerSuite } from '../../support/lockers/connection-locker-suite.js'
import { expectFree, expectRefused } from '../../support/lockers/locker-checks.js'
import { lockerSuite } from '../../support/lockers/locker-suite.js'
import { expectRejection, useRejectionCheck } from '../../support/rejections.js'
import { startSharingPool } from '../../support/sharing-pool.js'
import { startTcpProxy } from '../../support/tcp-proxy.js'

const database = useDatabase()
useRejectionCheck()
const module = new URL('../../support/lockers/pool-actors.ts', import.meta.url)

const createPool = (max = 10, url = database.url) => database.watch(new Pool({ connectionString: url, max }))
const inSession = (pool: Pool, options: Omit<AdvisoryLockerOptions, 'scope'> = {}) => advisoryLocker(pool, { scope: 'session', ...options })

/** The sessions that hold advisory locks, and what they are doing. */
const holders = () => database.sql<{ pid: number; state: string; key: string }[]>`
  SELECT pid, state, (classid::bigint << 32 | objid::bigint)::text AS key
  FROM pg_locks JOIN pg_stat_activity USING (pid)
  WHERE locktype = 'advisory' AND granted AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())`

lockerSuite({
  name: 'advisoryLocker(prisma)',
  setup: async () => {
    const { prisma } = createClient(database)
    return { locker: advisoryLocker(prisma), other: advisoryLocker(prisma), close: () => prisma.$disconnect() }
  },
  processes: { database, module, exportName: 'prismaIncrement' },
})

lockerSuite({
  name: 'advisoryLocker(pool)',
  setup: async () => {
    const pool = createPool()
    return { locker: advisoryLocker(pool), other: advisoryLocker(pool) }
  },
  processes: { database, module, exportName: 'transactionIncrement' },
})

lockerSuite({
  name: 'advisoryLocker(pool, session)',
  setup: async () => {
    const pool = createPool()
    return { locker: inSession(pool), other: inSession(pool) }
  },
  processes: { database, module, exportName: 'sessionIncrement' },
})

describe('a lock of a transaction of a Prisma client', () => {
  connectionLockerSuite({
    holding: 'prisma',
    database,
    setup: (poolSize) => {
      const { prisma, pool } = createClient(database, { poolSize })
      return {
        pool,
        create: (limits) => advisoryLocker(prisma, limits),
        increment: (held, name) =>
          (held as HeldLock & TransactionLock<TestClient>).tx.company.update({ where: { name }, data: { count: { increment: 1 } } }),
      }
    },
  })
})

describe('a lock of a transaction of a pool', () => {
  connectionLockerSuite({
    holding: 'transaction',
    database,
    setup: (poolSize) => {
      const pool = createPool(poolSize)
      return {
        pool,
        create: (limits) => advisoryLocker(pool, limits),
        increment: (held, name) =>
          (held as HeldLock & TransactionLock<Client>).tx.query('UPDATE "Company" SET count = count + 1 WHERE name = $1', [name]),
      }
    },
  })
})

describe('a lock of a session', () => {
  connectionLockerSuite({
    holding: 'session',
    database,
    setup: (poolSize) => {
      const pool = createPool(poolSize)
      return { pool, create: (limits) => inSession(pool, limits) }
    },
  })
})

let prisma: TestClient
let pool: Pool
beforeAll(() => {
  ;({ prisma } = createClient(database))
  pool = createPool()
})

test('lockers of every kind and $advisoryLock exclude each other by the same key', async () => {
  const lockers: Locker[] = [advisoryLocker(prisma), advisoryLocker(pool), inSession(pool)]
  for (const locker of lockers) {
    const held = await locker.acquire('one for all')
    expect((await holders()).map(({ key }) => BigInt.asIntN(64, BigInt(key)))).toEqual([advisoryLockKey('one for all')])
    for (const other of lockers) await expectRefused(other, 'one for all')
    const refused = prisma.$transaction((tx) => tx.$advisoryLock('one for all', { nowait: true }))
    await expectRejection(refused, LockNotAvailableError)
    await held.release()
  }
})

test('a transaction of a pool reads what was committed while it waited, at every default isolation level', async () => {
  const strict = createPool(2, `${database.url}?options=-c%20default_transaction_isolation%3Dserializable`)
  const locker = advisoryLocker(strict)
  const { id } = await prisma.company.create({ data: { name: `fresh ${Math.random()}` } })
  const held = await advisoryLocker(prisma).acquire('fresh')
  const read = locker.withLock('fresh', async ({ tx }) => {
    const { rows } = await tx.query<{ count: number }>('SELECT count FROM "Company" WHERE id = $1', [id])
    return rows[0]!.count
  })
  await waitUntilSessionsBlocked(database.sql, 1)
  await database.sql`UPDATE "Company" SET count = 7 WHERE id = ${id}`
  await held.release()
  await expect(read).resolves.toBe(7)
})

test('a statement of a transaction that fails loses the lock, and withLock says so', async () => {
  const swallowed = advisoryLocker(pool).withLock('failed', async ({ tx }) => {
    await tx.query('SELECT 1/0').catch(() => undefined)
    await expectFree(advisoryLocker(pool), 'failed')
  })
  await expectRejection(swallowed, LockLostError, { key: 'failed' })
})

test('a server that is silent aborts the signal of every kind of lock, and the pools go on', { timeout: 30_000 }, async () => {
  const proxy = await startTcpProxy(database.url)
  const silenced = createPool(2, proxy.url)
  // An idle client of a pool that dies is told to whoever has the pool.
  silenced.on('error', () => undefined)
  const client = createClient({ ...database, url: proxy.url, watch: (own) => own }).prisma
  const lockers: Locker[] = [inSession(silenced), advisoryLocker(silenced), advisoryLocker(client)]
  const held = await Promise.all(lockers.map((locker, index) => locker.acquire(`silent ${index}`)))
  proxy.fate = () => 'swallow'
  for (const { signal } of held) if (!signal.aborted) await once(signal, 'abort')
  for (const { signal } of held) expect(String(signal.reason)).toContain('no longer answers')
  for (const one of held) await one.release()
  proxy.fate = () => 'pass'
  for (const [index, locker] of lockers.entries()) await expectFree(locker, `other ${index}`)
  await proxy[Symbol.asyncDispose]()
  for (const index of held.keys()) await expectFree(advisoryLocker(pool), `silent ${index}`)
  await client.$disconnect()
})

test('inside a transaction of its own client it is refused', async () => {
  await prisma.$transactionWithRetry(async () => {
    await expectRejection(advisoryLocker(prisma).acquire('inside'), LockNotSupportedError)
    await expectFree(advisoryLocker(pool), 'inside')
  })
})

describe('in session scope', () => {
  test('the session is in no transaction, and has no lock any more when it is given back', async () => {
    const held = await inSession(pool).acquire('session')
    expect(await holders()).toMatchObject([{ state: 'idle' }])
    await held.release()
    expect(await holders()).toEqual([])
    const shared = await inSession(pool).acquire('session', { shared: true })
    await shared.release()
    expect(await holders()).toEqual([])
  })

  test("a wait is as long as the caller's, whatever the role's lock_timeout, which stays as it was", async () => {
    const hasty = createPool(1, `${database.url}?options=-c%20lock_timeout%3D20ms`)
    const held = await inSession(pool).acquire('patient')
    const waiter = inSession(hasty).acquire('patient')
    await waitUntilSessionsBlocked(database.sql, 1)
    await database.sql`SELECT pg_sleep(0.1)`
    await held.release()
    await (await waiter).release()
    const { rows } = await hasty.query<{ lock_timeout: string }>('SHOW lock_timeout')
    expect(rows[0]!.lock_timeout).toBe('20ms')
  })

  test('a session that has lost the lock to pg_advisory_unlock_all is noticed at release, and not reused', async () => {
    const single = createPool(1)
    const pidOf = async () => (await single.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid
    const before = await pidOf()
    // The only client of the pool is the one that holds the lock.
    const clients = (single as unknown as { _clients: Client[] })._clients
    const run = inSession(single).withLock('unlocked', async () => clients[0]!.query('SELECT pg_advisory_unlock_all()'))
    await expectRejection(run, LockLostError, { key: 'unlocked' })
    expect(await pidOf()).not.toBe(before)
  })
})

describe('behind a proxy that shares sessions', () => {
  test('session scope is refused, says what to do, and takes nothing; transaction scope works', async () => {
    await using proxy = await startAnnouncingProxy(database.url)
    const proxied = createPool(4, proxy.url)
    const refusal = await expectRejection(inSession(proxied).acquire('proxied'), LockNotSupportedError, { key: 'proxied' })
    expect(refusal.message).toMatch(/424242 was announced.*connect directly, or use `scope: 'transaction'`\./)
    expect(await holders()).toEqual([])
    const held = await advisoryLocker(proxied).acquire('proxied')
    await expectRefused(advisoryLocker(pool), 'proxied')
    const controller = new AbortController()
    const waiter = advisoryLocker(proxied).acquire('proxied', { signal: controller.signal })
    await waitUntilSessionsBlocked(database.sql, 1)
    controller.abort(new RangeError('enough'))
    await expect(waiter).rejects.toThrow(RangeError)
    await held.release()
    await proxied.end()
  })

  test('a driver that does not tell the announced process id is refused', async () => {
    const silent = {
      totalCount: 0,
      async connect(): Promise<PgClient> {
        const client: PgClient = await pool.connect()
        return {
          query: (text, values) => client.query(text, values),
          on: (event, listener) => client.on(event, listener),
          removeListener: (event, listener) => client.removeListener(event, listener),
          release: (destroy) => client.release(destroy),
        }
      },
    }
    await expectRejection(advisoryLocker(silent, { scope: 'session' }).acquire('untold'), LockNotSupportedError)
    expect(await holders()).toEqual([])
  })

  test('a proxy that announces a session of the server is noticed when it uses another one', async () => {
    await using atOnce = await startSharingPool(pool, { sessions: 2, announces: 'the first', staysFor: 1 })
    await expectRejection(advisoryLocker(atOnce, { scope: 'session' }).acquire('moved'), LockNotSupportedError)
    await expectFree(inSession(pool), 'moved')

    // Two statements take the lock; the keep-alive query is the third.
    await using later = await startSharingPool(pool, { sessions: 2, announces: 'the first', staysFor: 2 })
    const held = await advisoryLocker(later, { scope: 'session' }).acquire('moved')
    await once(held.signal, 'abort')
    expect(held.signal.reason).toBeInstanceOf(LockLostError)
    expect(held.signal.reason).toMatchObject({ cause: { code: 'LOCK_NOT_SUPPORTED' } })

    await using atLast = await startSharingPool(pool, { sessions: 2, announces: 'the first', staysFor: 2 })
    const run = advisoryLocker(atLast, { scope: 'session' }).withLock('moved late', async () => undefined)
    await expectRejection(run, LockLostError)
  })

  test('without the check it would pretend: two callers hold the lock that one session has twice', async () => {
    await using sharing = await startSharingPool(pool, { sessions: 1, blind: true })
    const [one, other] = [advisoryLocker(sharing, { scope: 'session' }), advisoryLocker(sharing, { scope: 'session' })]
    const held = [await one.acquire('shared'), await other.acquire('shared', { nowait: true })]
    await Promise.all(held.map((lock) => lock.release()))

    await using checked = await startSharingPool(pool, { sessions: 1 })
    await expectRejection(advisoryLocker(checked, { scope: 'session' }).acquire('shared'), LockNotSupportedError)
    await expectFree(advisoryLocker(checked), 'shared')
  })

  test('without the check a lock would be left in a session that nobody unlocks', async () => {
    await using sharing = await startSharingPool(pool, { sessions: 2, blind: true })
    const run = advisoryLocker(sharing, { scope: 'session' }).withLock('left', async () => undefined)
    // Three statements, in sessions 1, 2 and 1: taken in the second, unlocked in the first.
    await expectRejection(run, LockLostError)
    await expectRefused(inSession(pool), 'left')
  })
})

describe('what it is made from', () => {
  test('session scope with Prisma is refused', () => {
    // @ts-expect-error only a pool has sessions
    expect(() => advisoryLocker(prisma, { scope: 'session' })).toThrow(LockNotSupportedError)
  })

  test('a client whose adapter is not lockable() is refused when it is used, one without rowLocks() is not', async () => {
    const unguarded = new PrismaClient({ adapter: new PrismaPg({ connectionString: database.url }) })
    await expectRejection(advisoryLocker(unguarded).acquire('plain'), LockNotSupportedError)
    const plain = new PrismaClient({ adapter: lockable(new PrismaPg({ connectionString: database.url })) })
    expect(await advisoryLocker(plain).withLock('plain', async ({ tx }) => tx.company.count({ where: { id: -1 } }))).toBe(0)
    await Promise.all([unguarded.$disconnect(), plain.$disconnect()])
  })

  test('a single client is refused: it would be shared', () => {
    // @ts-expect-error not a pool
    expect(() => advisoryLocker(new Client())).toThrow(InvalidOptionError)
  })

  test('a thousand bad arguments are refused', () => {
    const badLimit = fc.oneof(fc.constantFrom(null, 0, -1, 1.5, Number.NaN, 2 ** 31, '5', 5n), fc.integer({ max: 0 }), fc.object())
    const known = ['scope', 'maxHold', 'maxWait', '__proto__']
    const badOptions = fc.oneof(
      fc.constantFrom(null, 5, 'session', [], true),
      badLimit.map((maxHold) => ({ maxHold })),
      badLimit.map((maxWait) => ({ maxWait })),
      fc.constantFrom('connection', 'SESSION', null, 5, {}).map((scope) => ({ scope })),
      fc
        .string({ minLength: 1 })
        .filter((name) => !known.includes(name))
        .map((name) => ({ [name]: 1 })),
    )
    const badArguments = fc.oneof(
      fc.tuple(fc.oneof(fc.anything(), fc.constantFrom(null, { $transaction: 1 }, { connect: () => undefined })), fc.constant({})),
      fc.tuple(fc.constantFrom<unknown>(prisma, pool), badOptions),
    )
    fc.assert(
      fc.property(badArguments, ([db, options]) => {
        expect(() => advisoryLocker(db as Pool, options as object)).toThrow(InvalidOptionError)
      }),
      { numRuns: 1_000 },
    )
  })
})
