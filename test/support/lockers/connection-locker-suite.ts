import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { Pool } from 'pg'
import { LockLostError, LockTimeoutError, PoolTimeoutError } from 'rowlock'
import type { HeldLock, HoldLimitOptions, Locker } from 'rowlock/lockers'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type TestDatabase, waitUntil, waitUntilSessionsBlocked } from '../database.js'
import { expectRejection, rejectionOf } from '../rejections.js'
import { expectFree, expectRefused } from './locker-checks.js'
import type { Holding } from './pool-actors.js'

/** Makes lockers on one pool; each call makes one of its own, as another process has it. */
export interface ConnectionLockers {
  readonly pool: Pool
  create(limits?: HoldLimitOptions): Locker
  /** Adds one to the count of the company `name`, in the transaction of the lock; left out where there is none. */
  readonly increment?: (held: HeldLock, name: string) => Promise<unknown>
}

export interface ConnectionLockerUnderTest {
  readonly holding: Holding
  readonly database: TestDatabase
  readonly setup: (poolSize: number) => ConnectionLockers
}

const POOL_SIZE = 4

/** What holds for locks that are held on a connection of a pool, beyond what holds for every lock. */
export function connectionLockerSuite({ holding, database, setup }: ConnectionLockerUnderTest): void {
  let lockers: ConnectionLockers
  let key: string
  beforeAll(() => {
    lockers = setup(POOL_SIZE)
  })
  beforeEach(async () => {
    key = await createKey('key')
  })

  async function createKey(name: string): Promise<string> {
    const unique = `${name} ${Math.random()}`
    await database.sql`INSERT INTO "Company" (name) VALUES (${unique})`
    return unique
  }

  const terminate = (pid: number) => database.sql`SELECT pg_terminate_backend(${pid})`
  const waiting = () => database.sql`
    SELECT pid, query FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`

  /** The session that holds the lock: the one that a waiter waits for. */
  async function findHolder(name: string): Promise<number> {
    const controller = new AbortController()
    const waiter = lockers.create().acquire(name, { signal: controller.signal })
    const [session] = await waitUntilSessionsBlocked(database.sql, 1)
    controller.abort()
    await rejectionOf(waiter)
    expect(session!.blockedBy).toHaveLength(1)
    return session!.blockedBy[0]!
  }

  async function expectNobodyOut(): Promise<void> {
    await waitUntil('every connection is back in the pool', async () => {
      await database.sql`SELECT pg_sleep(0.001)`
      return lockers.pool.idleCount === lockers.pool.totalCount ? true : undefined
    })
  }

  test('a waiter waits in PostgreSQL for the session of the holder, until it releases', async () => {
    const held = await lockers.create().acquire(key)
    const waiter = lockers.create().acquire(key)
    const [session] = await waitUntilSessionsBlocked(database.sql, 1)
    expect(session!.blockedBy).toHaveLength(1)
    await held.release()
    await (await waiter).release()
    expect(await waiting()).toEqual([])
  })

  test('shared holders block an exclusive waiter, all of them', async () => {
    const held = [await lockers.create().acquire(key, { shared: true }), await lockers.create().acquire(key, { shared: true })]
    const waiter = lockers.create().acquire(key)
    const [session] = await waitUntilSessionsBlocked(database.sql, 1)
    expect(session!.blockedBy.length).toBeGreaterThanOrEqual(1)
    await held[0]!.release()
    await expectRefused(lockers.create(), key)
    await held[1]!.release()
    await (await waiter).release()
  })

  test('an aborted waiter leaves no session waiting, and its connection is given back', async () => {
    const held = await lockers.create().acquire(key)
    for (let round = 0; round < 10; round++) {
      const controller = new AbortController()
      const waiter = lockers.create().acquire(key, { signal: controller.signal })
      await waitUntilSessionsBlocked(database.sql, 1)
      const reason = new RangeError(`round ${round}`)
      controller.abort(reason)
      expect(await rejectionOf(waiter)).toBe(reason)
      expect(await waiting()).toEqual([])
    }
    await held.release()
    await expectNobodyOut()
  })

  test('an abort at any moment of taking the lock leaves nothing held', async () => {
    const locker = lockers.create()
    for (let round = 0; round < 60; round++) {
      const controller = new AbortController()
      const taken = locker.acquire(key, { signal: controller.signal }).then(
        (held) => held.release(),
        () => undefined,
      )
      // A turn of the event loop is less than a round trip to the server: every statement is hit.
      for (let turn = 0; turn < round; turn++) await new Promise(setImmediate)
      controller.abort()
      await taken
      await expectFree(lockers.create(), key)
    }
    await expectNobodyOut()
  })

  test('a timeout ends the wait in the server as well', async () => {
    const held = await lockers.create().acquire(key)
    await expectRejection(lockers.create().acquire(key, { timeout: 50 }), LockTimeoutError, { key })
    expect(await waiting()).toEqual([])
    await held.release()
  })

  test('a session that is terminated aborts the signal with a LockLostError, and the pool goes on', async () => {
    const held = await lockers.create().acquire(key)
    const lost = once(held.signal, 'abort')
    await terminate(await findHolder(key))
    await lost
    expect(held.signal.reason).toBeInstanceOf(LockLostError)
    expect(held.signal.reason).toMatchObject({ code: 'LOCK_LOST', key })
    await held.release()
    for (let use = 0; use < 2 * POOL_SIZE; use++) await expectFree(lockers.create(), key)
  })

  test('withLock throws a LockLostError when run succeeds although the lock was lost', async () => {
    const run = lockers.create().withLock(key, async ({ signal }) => {
      const lost = once(signal, 'abort')
      await terminate(await findHolder(key))
      await lost
    })
    await expectRejection(run, LockLostError, { key })
    await expectFree(lockers.create(), key)
    await expectNobodyOut()
  })

  test('the lock of a process that is killed is free', async () => {
    const holder = fork(new URL('pool-holder.ts', import.meta.url), [holding, database.url, key], { execArgv: ['--import', 'tsx'] })
    await once(holder, 'message')
    await expectRefused(lockers.create(), key)
    holder.kill('SIGKILL')
    await expectFree(lockers.create(), key)
  })

  test('after maxHold the lock is lost and free, also while nobody releases it', async () => {
    const held = await lockers.create({ maxHold: 50 }).acquire(key)
    const waiter = lockers.create().acquire(key, { timeout: 10_000 })
    await (await waiter).release()
    expect(held.signal.reason).toBeInstanceOf(LockLostError)
    expect(String(held.signal.reason)).toContain('maxHold (50 ms)')
    await held.release()
    const run = lockers.create({ maxHold: 50 }).withLock(key, ({ signal }) => once(signal, 'abort'))
    await expectRejection(run, LockLostError, { key })
    await expectNobodyOut()
  })

  test('locks of different keys nest', async () => {
    const [locker, other] = [lockers.create(), await createKey('other')]
    const keys = await locker.withLock(key, (outer) => locker.withLock(other, async (inner) => [outer.key, inner.key]))
    expect(keys).toEqual([key, other])
  })

  describe('when the pool has no connection left', () => {
    async function whileFull(check: (held: HeldLock) => Promise<unknown>): Promise<void> {
      const keys = await Promise.all(Array.from({ length: POOL_SIZE }, (_, index) => createKey(`full ${index}`)))
      const held = await Promise.all(keys.map((name) => lockers.create().acquire(name)))
      try {
        await check(held[0]!)
      } finally {
        await Promise.all(held.map((one) => one.release()))
        await expectNobodyOut()
      }
    }

    test('a caller without a timeout gets a PoolTimeoutError after maxWait', () =>
      whileFull(() => expectRejection(lockers.create({ maxWait: 50 }).acquire(key), PoolTimeoutError)))

    test('a caller with a timeout waits as long, for a connection too', () =>
      whileFull(async (held) => {
        const locker = lockers.create({ maxWait: 1 })
        await expectRejection(locker.acquire(key, { timeout: 50 }), LockTimeoutError, { key })
        const waiter = locker.acquire(key, { timeout: 10_000 })
        await held.release()
        await (await waiter).release()
      }))

    test('a caller that is aborted gets its reason, and its connection is given back when it comes', () =>
      whileFull(async () => {
        const controller = new AbortController()
        const waiter = lockers.create().acquire(key, { signal: controller.signal })
        const reason = new RangeError('no longer')
        controller.abort(reason)
        expect(await rejectionOf(waiter)).toBe(reason)
      }))
  })

  const countOf = async (name: string) => (await database.sql`SELECT count FROM "Company" WHERE name = ${name}`)[0]!.count as number

  // No transaction holds the lock of a session.
  if (holding === 'session') return

  test('what run writes through tx is committed with the release, and rolled back when it throws', async () => {
    const { increment } = lockers
    await lockers.create().withLock(key, async (held) => {
      await increment!(held, key)
      expect(await countOf(key)).toBe(0)
    })
    expect(await countOf(key)).toBe(1)
    const error = new RangeError('undo')
    const failing = lockers.create().withLock(key, async (held) => {
      await increment!(held, key)
      throw error
    })
    expect(await rejectionOf(failing)).toBe(error)
    expect(await countOf(key)).toBe(1)
  })

  test('what run has written is gone when the lock is lost', async () => {
    const lost = lockers.create({ maxHold: 200 }).withLock(key, async (held) => {
      await lockers.increment!(held, key)
      await once(held.signal, 'abort')
    })
    await expectRejection(lost, LockLostError)
    const killed = lockers.create().withLock(key, async (held) => {
      await lockers.increment!(held, key)
      const isLost = once(held.signal, 'abort')
      await terminate(await findHolder(key))
      await isLost
    })
    await expectRejection(killed, LockLostError)
    expect(await countOf(key)).toBe(0)
  })
}
