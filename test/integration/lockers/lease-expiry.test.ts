import { LockLostError, LockNotAvailableError } from 'rowlock'
import { leaseLocker, type LeaseLocker } from 'rowlock/lockers'
import { beforeAll, describe, expect, test } from 'vitest'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase, waitUntil } from '../../support/database.js'
import { createLeasePair, expireLease } from '../../support/lockers/lease-pair.js'
import { expectFree, expectRefused } from '../../support/lockers/locker-checks.js'
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.js'
import { expectRejection, useRejectionCheck } from '../../support/rejections.js'

const database = useDatabase()
useRejectionCheck()

let prisma: TestClient
let locker: LeaseLocker
let other: LeaseLocker
beforeAll(() => {
  ;({ prisma, locker, other } = createLeasePair(database))
})

let keys = 0
const newKey = () => `key ${++keys}`

/** A client whose connections die with the proxy. */
function clientBeyond({ url }: TcpProxy): TestClient {
  const client = createClient({ ...database, url, watch: (pool) => pool })
  client.pool.on('error', () => undefined)
  return client.prisma
}

const expire = (key: string) => expireLease(database, key)

const rowOf = async (key: string) => {
  const [row] = await database.sql<{ token: bigint; owners: string[]; shared: boolean; left: number }[]>`
    SELECT token::int, owners, shared, (extract(epoch FROM "expiresAt" - clock_timestamp()) * 1000)::float8 AS left FROM "Lease" WHERE key = ${key}`
  return row
}

/** Resolves when this key's lease has been renewed once more. */
async function waitUntilRenewed(key: string): Promise<void> {
  const expiry = async () => {
    const [row] = await database.sql<[{ at: string }]>`SELECT "expiresAt"::text AS at FROM "Lease", pg_sleep(0.002) WHERE key = ${key}`
    return row.at
  }
  const before = await expiry()
  await waitUntil('the lease is renewed', async () => ((await expiry()) === before ? undefined : true))
}

describe('an expired lease', () => {
  test('is taken over with a larger token, and the old holder hears of it when it releases', async () => {
    const key = newKey()
    const stale = await locker.acquire(key)
    await expectRefused(other, key)
    await expire(key)
    const held = await other.acquire(key, { nowait: true })
    expect(held.fencingToken > stale.fencingToken).toBe(true)
    expect(stale.signal.aborted).toBe(false)
    await stale.release()
    expect(stale.signal.reason).toBeInstanceOf(LockLostError)
    await expectRefused(locker, key)
    await held.release()
  })

  test('makes withLock fail, though run has succeeded', async () => {
    const key = newKey()
    const losing = locker.withLock(key, async () => {
      await expire(key)
      await (await other.acquire(key)).release()
    })
    await expectRejection(losing, LockLostError, { key })
  })

  test('is renewed by its holder, when nobody has taken it over', async () => {
    const key = newKey()
    const held = await leaseLocker(prisma, { ttl: 300 }).acquire(key)
    await expire(key)
    await waitUntilRenewed(key)
    await expectRefused(other, key)
    expect(held.signal.aborted).toBe(false)
    await held.release()
  })

  test('is lost by the renewal that finds another holder', async () => {
    const key = newKey()
    const stale = await leaseLocker(prisma, { ttl: 300 }).acquire(key)
    await expire(key)
    const held = await other.acquire(key, { nowait: true })
    await waitUntil('the old holder has heard', async () => {
      await database.sql`SELECT pg_sleep(0.002)`
      return stale.signal.aborted || undefined
    })
    expect(stale.signal.reason).toBeInstanceOf(LockLostError)
    await stale.release()
    await held.release()
  })
})

test.each(['cut', 'swallow'] as const)(
  'when the network does %s what the holder sends, its signal is aborted before another one gets in',
  async (fate) => {
    await using proxy = await startTcpProxy(database.url)
    const beyond = clientBeyond(proxy)
    const key = newKey()
    // Long enough that a machine which stands still for a moment does not lose it before it is cut.
    const held = await leaseLocker(beyond, { ttl: 2_000 }).acquire(key)
    await waitUntilRenewed(key)
    proxy.fate = () => fate
    const taken = await other.acquire(key)
    expect(held.signal.aborted).toBe(true)
    expect(held.signal.reason).toBeInstanceOf(LockLostError)
    if (fate === 'cut') expect((held.signal.reason as LockLostError).cause).toBeDefined()
    expect(taken.fencingToken > held.fencingToken).toBe(true)
    await held.release()
    await taken.release()
  },
)

test('a renewal that is never answered does not keep the next one from being sent', async () => {
  await using proxy = await startTcpProxy(database.url)
  const beyond = clientBeyond(proxy)
  // What a client does once, when it connects, is not to be part of the lease.
  await beyond.$queryRaw`SELECT 1`
  const key = newKey()
  const held = await leaseLocker(beyond, { ttl: 3_000 }).acquire(key)
  let swallowed = 0
  proxy.fate = (data) => (data.includes('UPDATE "public"."Lease"') && ++swallowed === 1 ? 'swallow' : 'pass')
  for (let renewals = 0; renewals < 4; renewals++) await waitUntilRenewed(key)
  expect(swallowed).toBeGreaterThan(1)
  expect(held.signal.aborted).toBe(false)
  await held.release()
})

describe('a caller that does not get its answer', () => {
  test('leaves at once when its signal is aborted, and what it is granted afterwards is given back', async () => {
    const key = newKey()
    let letGo!: () => void
    const toGo = new Promise<void>((resolve) => (letGo = resolve))
    const slow = prisma.$extends({
      query: {
        $queryRawUnsafe: async ({ args, query }) => {
          const answer: unknown = await query(args)
          await toGo
          return answer
        },
      },
    })
    const controller = new AbortController()
    const asking = leaseLocker(slow, { ttl: 30_000 }).acquire(key, { signal: controller.signal })
    await waitUntil('the lease is granted', async () => ((await rowOf(key)) ? true : undefined))
    const reason = new RangeError('not needed any more')
    controller.abort(reason)
    await expect(asking).rejects.toBe(reason)
    await expectRefused(other, key)
    letGo()
    await expectFree(other, key)
  })

  test('leaves nothing behind when its connection dies after the grant', async () => {
    await using proxy = await startTcpProxy(database.url)
    const beyond = clientBeyond(proxy)
    const key = newKey()
    let first = true
    proxy.fate = (data) => {
      if (!first || !data.includes('"opened"')) return 'pass'
      first = false
      return 'deliver and cut'
    }
    await expect(leaseLocker(beyond, { ttl: 30_000 }).acquire(key)).rejects.toMatchObject({ code: 'CONNECTION_LOST' })
    await expectFree(other, key)
    expect(await rowOf(key)).toBeDefined()
  })
})

describe('those who share a lease', () => {
  test('have one token, which the next exclusive holder outdoes', async () => {
    const key = newKey()
    const one = await locker.acquire(key, { shared: true })
    const two = await other.acquire(key, { shared: true })
    expect(two.fencingToken).toBe(one.fencingToken)
    await one.release()
    await two.release()
    const next = await other.acquire(key)
    expect(next.fencingToken > one.fencingToken).toBe(true)
    await next.release()
  })

  test('are delayed by one that died for no longer than the lease lasts', async () => {
    const key = newKey()
    await database.sql`
      INSERT INTO "Lease" (key, owners, shared, "expiresAt") VALUES (${key}, '{dead}', true, clock_timestamp() + interval '200 ms')`
    const one = await leaseLocker(prisma, { ttl: 100 }).acquire(key, { shared: true })
    await one.release()
    await expectRefused(other, key)
    await expectFree(other, key)
  })

  test('let nobody join while an exclusive caller waits, and are joined when it does not wait', async () => {
    const key = newKey()
    const reader = await locker.acquire(key, { shared: true })
    await expectRefused(other, key)
    const second = await other.acquire(key, { shared: true, nowait: true })
    await second.release()

    const writer = other.acquire(key, { timeout: 10_000 })
    await waitUntil('the writer has closed the lease', async () => ((await rowOf(key))!.shared ? undefined : true))
    await expectRefused(locker, key, { shared: true })
    await reader.release()
    await (await writer).release()
    await expectFree(locker, key, { shared: true })
  })

  test('keep a group of their own after its expiry only until others form one', async () => {
    const key = newKey()
    const stale = await locker.acquire(key, { shared: true })
    await expire(key)
    const held = await other.acquire(key, { shared: true, nowait: true })
    expect(held.fencingToken > stale.fencingToken).toBe(true)
    expect((await rowOf(key))!.owners).toHaveLength(1)
    await stale.release()
    expect(stale.signal.reason).toBeInstanceOf(LockLostError)
    await held.release()
  })
})

test('a row stays when its lease is released, and goes with the sweep when it has been free for long', async () => {
  const [used, fresh, held] = [newKey(), newKey(), newKey()]
  const last = await locker.withLock(used, async ({ fencingToken }) => fencingToken)
  await locker.withLock(fresh, async () => undefined)
  const lease = await locker.acquire(held)
  expect((await rowOf(used))!.owners).toEqual([])
  await database.sql`UPDATE "Lease" SET "expiresAt" = clock_timestamp() - interval '61 s' WHERE key = ${used}`

  expect(await locker.sweep({ olderThan: 60_000 })).toBe(1)
  expect(await rowOf(used)).toBeUndefined()
  expect(await rowOf(fresh)).toBeDefined()
  expect(await locker.sweep()).toBe(0)
  await expectRefused(other, held)
  expect(await other.withLock(used, async ({ fencingToken }) => fencingToken > last)).toBe(true)
  await lease.release()
})

test('the table and its columns have the names of the schema', async () => {
  await database.sql.unsafe(`
    CREATE SCHEMA "app ""1""";
    CREATE TABLE "app ""1"""."app locks" ("lock key" text PRIMARY KEY, "the token" bigserial UNIQUE, "owners" text[], shared boolean NOT NULL, "ends at" timestamptz NOT NULL)`)
  const fields = ['key', 'token', 'owners', 'shared', 'expiresAt']
  const columns: Record<string, string> = { key: 'lock key', token: 'the token', expiresAt: 'ends at' }
  const mapped = {
    _runtimeDataModel: {
      models: {
        AppLock: {
          dbName: 'app locks',
          schema: 'app "1"',
          fields: fields.map((name) => ({ name, kind: 'scalar', dbName: columns[name] })),
        },
      },
    },
    $queryRawUnsafe: prisma.$queryRawUnsafe.bind(prisma),
  }
  const locks = leaseLocker(mapped, { ttl: 30_000, model: 'AppLock' })
  const held = await locks.acquire('key', { shared: true })
  await expectRefused(locks, 'key')
  await held.release()
  await expectFree(locks, 'key')
  expect(await locks.sweep()).toBe(0)
})

test('nowait asks the server once', async () => {
  const key = newKey()
  const held = await other.acquire(key)
  let asked = 0
  const counting = prisma.$extends({ query: { $queryRawUnsafe: ({ args, query }) => (asked++, query(args)) } })
  await expectRejection(leaseLocker(counting, { ttl: 30_000 }).acquire(key, { nowait: true }), LockNotAvailableError, { key })
  expect(asked).toBe(1)
  await held.release()
})
