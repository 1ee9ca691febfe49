import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { Redis } from 'ioredis'
import { LockLostError } from 'rowlock'
import { type HeldLease, redisLocker, type RedisLocker } from 'rowlock/lockers'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { expectFree, expectRefused } from '../../support/lockers/locker-checks.js'
import { lockerSuite } from '../../support/lockers/locker-suite.js'
import { REDIS_LIBRARIES, redisPrefix, redisUrl, waitUntilListening } from '../../support/lockers/redis.js'
import { waitUntil } from '../../support/wait-until.js'

const EXPORTS: Readonly<Record<string, string>> = { ioredis: 'ioredisIncrement', 'node-redis': 'nodeRedisIncrement' }

describe.skipIf(redisUrl === undefined)('redisLocker, skipped without REDIS_URL', () => {
  const database = useDatabase()

  for (const [library, connect] of Object.entries(REDIS_LIBRARIES)) {
    lockerSuite({
      name: `with ${library}`,
      setup: async () => {
        const [one, two] = [await connect(redisUrl!), await connect(redisUrl!)]
        const options = { ttl: 30_000, prefix: redisPrefix }
        return {
          locker: redisLocker(one.client, options),
          other: redisLocker(two.client, options),
          close: async () => Promise.all([one.close(), two.close()]),
        }
      },
      fences: true,
      processes: {
        module: new URL('../../support/lockers/redis-actors.ts', import.meta.url),
        exportName: EXPORTS[library]!,
        key: `counter ${randomUUID()}`,
        database,
      },
    })
  }

  describe('in Redis', () => {
    let redis: Redis
    let locker: RedisLocker
    let other: RedisLocker
    beforeAll(() => {
      redis = new Redis(redisUrl!)
      locker = redisLocker(redis, { ttl: 30_000, prefix: redisPrefix })
      other = redisLocker(redis, { ttl: 30_000, prefix: redisPrefix })
    })
    afterAll(() => redis.quit())

    let key = ''
    let name = ''
    beforeEach(() => {
      key = randomUUID()
      name = redisPrefix + key
    })

    test('a late release does not remove the lock of the next holder, and is reported', async () => {
      let next!: HeldLease
      const late = locker.withLock(key, async () => {
        await redis.del(name)
        next = await other.acquire(key, { nowait: true })
      })
      await expect(late).rejects.toThrow(LockLostError)
      await expectRefused(locker, key)
      await next.release()
    })

    test('a late release of a lock without an owner, as people write it, removes the lock of the next holder', async () => {
      const take = () => redis.set(name, 1, 'PX', 30_000, 'NX')
      const release = () => redis.del(name)
      expect(await take()).toBe('OK')
      await redis.del(name)
      expect(await take(), 'the first one has expired: the second comes').toBe('OK')
      expect(await take()).toBe(null)
      await release()
      expect(await take(), 'a third comes, while the second is at work').toBe('OK')
      await redis.del(name)
    })

    test('a renewal that finds another owner aborts the signal', async () => {
      const short = redisLocker(redis, { ttl: 300, prefix: redisPrefix })
      const held = await short.acquire(key)
      const lost = once(held.signal, 'abort')
      await redis.del(name)
      const next = await other.acquire(key, { nowait: true })
      await lost
      expect(held.signal.reason).toMatchObject({ code: 'LOCK_LOST', key })
      await held.release()
      await next.release()
    })

    test('work that lets no timer run for longer than the ttl is reported', async () => {
      const short = redisLocker(redis, { ttl: 100, prefix: redisPrefix })
      const blocking = short.withLock(key, async () => {
        const enough = performance.now() + 150
        while (performance.now() < enough);
      })
      await expect(blocking).rejects.toThrow(LockLostError)
    })

    test('locks that nobody holds take no memory', async () => {
      const held = await Promise.all(
        Array.from({ length: 100 }, (_, index) => locker.acquire(`${key} ${index}`, { shared: index % 2 === 0 })),
      )
      expect(await redis.keys(`${name} *`)).toHaveLength(100)
      for (const one of held) await one.release()
      // The clock has to pass the last token: a millisecond.
      await waitUntil('nothing is left', async () => (await redis.keys(`${name} *`)).length === 0 || undefined)
    })

    test('tokens grow when the clock of Redis is set back', async () => {
      const inAnHour = BigInt(Date.now() + 3_600_000)
      const last = inAnHour * 1_000n
      // What a release leaves in that hour, seen from here.
      await redis.hset(name, { token: String(last), mode: 'exclusive' })
      await redis.pexpireat(name, String(inAnHour + 1n))
      for (const expected of [last + 1n, last + 2n]) {
        expect(await locker.withLock(key, async ({ fencingToken }) => fencingToken)).toBe(expected)
        expect(await redis.call('PEXPIRETIME', name)).toBe(Number(inAnHour + 1n))
      }
      await redis.del(name)
    })

    test('those who share a lock share its token, and the next holder has a larger one', async () => {
      const shared = [await locker.acquire(key, { shared: true }), await other.acquire(key, { shared: true })]
      expect(shared[0]!.fencingToken).toBe(shared[1]!.fencingToken)
      for (const one of shared) await one.release()
      await using next = await locker.acquire(key)
      expect(next.fencingToken > shared[0]!.fencingToken).toBe(true)
    })

    test('an exclusive caller that waits lets nobody else join, and one that does not wait changes nothing', async () => {
      const shared = await locker.acquire(key, { shared: true })
      await expectRefused(other, key)
      await expectFree(other, key, { shared: true })

      const exclusive = other.acquire(key)
      await waitUntilListening(redis, name)
      await expectRefused(locker, key, { shared: true })
      await shared.release()
      await (await exclusive).release()
      await expectFree(locker, key, { shared: true })
    })

    test('a sharer that died delays an exclusive caller until its own hold ends, however long the others renew theirs', async () => {
      const TTL = 500
      const dying = new Redis(redisUrl!)
      await redisLocker(dying, { ttl: TTL, prefix: redisPrefix }).acquire(key, { shared: true })
      dying.disconnect()
      const living = await redisLocker(redis, { ttl: TTL, prefix: redisPrefix }).acquire(key, { shared: true })
      await waitUntil('the first has expired', async () => (await redis.hlen(name)) === 3 || undefined)
      const next = other.acquire(key)
      await living.release()
      await (await next).release()
    })

    test('lockers with another prefix have other locks', async () => {
      const elsewhere = redisLocker(redis, { ttl: 30_000, prefix: `${redisPrefix}elsewhere:` })
      const held = [await locker.acquire(key), await elsewhere.acquire(key, { nowait: true })]
      for (const one of held) await one.release()
    })

    test('a client with a prefix of its own wakes those who wait', async () => {
      const prefixed = new Redis(redisUrl!, { keyPrefix: redisPrefix })
      const [one, two] = [1, 2].map(() => redisLocker(prefixed, { ttl: 60_000, prefix: 'own:' }))
      const held = await one!.acquire(key)
      const waiting = two!.acquire(key)
      await waitUntilListening(redis, `own:${key}`)
      expect(await redis.exists(`${redisPrefix}own:${key}`)).toBe(1)
      await held.release()
      await (await waiting).release()
      prefixed.disconnect()
    })
  })
})
