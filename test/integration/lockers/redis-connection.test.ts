import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { isRowLockError } from 'rowlock'
import { redisLocker, type RedisLocker } from 'rowlock/lockers'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { expectFree, expectRefused } from '../../support/lockers/locker-checks.js'
import { REDIS_LIBRARIES, type RedisConnection, redisPrefix, redisUrl, waitUntilListening } from '../../support/lockers/redis.js'
import { rejectionOf, useRejectionCheck } from '../../support/rejections.js'
import { type Fate, startTcpProxy } from '../../support/tcp-proxy.js'
import { waitUntil } from '../../support/wait-until.js'

// Longer than any test: what comes earlier than this was not a matter of expiry.
const LONG = 60_000

describe.skipIf(redisUrl === undefined)('redisLocker and its connections, skipped without REDIS_URL', () => {
  useRejectionCheck()
  let redis: Redis
  let direct: RedisLocker
  beforeAll(() => {
    redis = new Redis(redisUrl!)
    direct = redisLocker(redis, { ttl: LONG, prefix: redisPrefix })
  })
  afterAll(() => redis.quit())

  let key = ''
  beforeEach(() => {
    key = randomUUID()
  })

  /** What Redis is asked about the key's lock, as it comes. */
  async function watchQuestions(): Promise<AsyncDisposable & { readonly count: () => Promise<number> }> {
    const monitor = await redis.monitor()
    let questions = 0
    let lastMark = ''
    monitor.on('monitor', (_time: string, [command = '', ...args]: string[]) => {
      if (command.toLowerCase() === 'eval' && args.includes(redisPrefix + key)) questions++
      if (command.toLowerCase() === 'echo') lastMark = args[0]!
    })
    return {
      async count() {
        const mark = randomUUID()
        await redis.echo(mark)
        await waitUntil('everything up to the mark was seen', async () => (await redis.ping()) && (lastMark === mark || undefined))
        return questions
      },
      [Symbol.asyncDispose]: async () => monitor.disconnect(),
    }
  }

  async function subscribersNamed(name: string): Promise<string[]> {
    const list = (await redis.client('LIST', 'TYPE', 'PUBSUB')) as string
    return list
      .split('\n')
      .filter((line) => line.includes(` name=${name} `))
      .map((line) => /^id=(\d+)/.exec(line)![1]!)
  }

  describe.each(Object.keys(REDIS_LIBRARIES))('with %s', (library) => {
    /** A locker of the library on connections of its own, by way of a proxy. */
    async function connectThroughProxy(ttl: number) {
      const name = `rowlock-test-${randomUUID()}`
      const proxy = await startTcpProxy(redisUrl!)
      const connection: RedisConnection = await REDIS_LIBRARIES[library]!(proxy.url, name)
      return {
        name,
        proxy,
        client: connection.client,
        locker: redisLocker(connection.client, { ttl, prefix: redisPrefix }),
        async [Symbol.asyncDispose]() {
          await connection.close()
          await proxy[Symbol.asyncDispose]()
        },
      }
    }

    test('a caller that waits asks nothing until the release, is then served at once, and leaves no connection', async () => {
      await using waiter = await connectThroughProxy(LONG)
      await using questions = await watchQuestions()
      const held = await direct.acquire(key)
      const waiting = waiter.locker.acquire(key)
      // Once at first, and once when it listens: the release may have been in between.
      await waitUntil('it has asked twice', async () => (await questions.count()) === 3 || undefined)
      // There is no condition to wait for: nothing is to happen.
      await pause(500)
      expect(await questions.count()).toBe(3)

      const since = performance.now()
      await held.release()
      const granted = await waiting
      expect(performance.now() - since).toBeLessThan(1_000)
      await granted.release()
      expect(await questions.count(), 'the release, one question, the release').toBe(6)
      await waitUntil('the connection is closed', async () => (await subscribersNamed(waiter.name)).length === 0 || undefined)
    })

    test('a hundred locks are waited for on one connection', async () => {
      await using waiter = await connectThroughProxy(LONG)
      const keys = Array.from({ length: 100 }, (_, index) => `${key} ${index}`)
      const held = await Promise.all(keys.map((one) => direct.acquire(one)))
      const waiting = keys.map((one) => waiter.locker.acquire(one))
      for (const one of keys) await waitUntilListening(redis, redisPrefix + one)
      expect(await subscribersNamed(waiter.name)).toHaveLength(1)
      for (const one of held) await one.release()
      for (const one of await Promise.all(waiting)) await one.release()
      await waitUntil('the connection is closed', async () => (await subscribersNamed(waiter.name)).length === 0 || undefined)
    })

    test('a wait survives that its connection breaks, also when the release comes meanwhile', async () => {
      await using waiter = await connectThroughProxy(LONG)
      for (const releasedMeanwhile of [false, true]) {
        const held = await direct.acquire(key)
        const waiting = waiter.locker.acquire(key)
        await waitUntilListening(redis, redisPrefix + key)
        for (const id of await subscribersNamed(waiter.name)) await redis.client('KILL', 'ID', id)
        if (!releasedMeanwhile) await waitUntilListening(redis, redisPrefix + key)
        await held.release()
        await (await waiting).release()
      }
    })

    test('a holder whose network falls silent loses the lock before another one has it, and works again later', async () => {
      const TTL = 600
      await using holder = await connectThroughProxy(TTL)
      const held = await holder.locker.acquire(key)
      const lostAt = new Promise<number>((resolve) => {
        held.signal.addEventListener('abort', () => resolve(performance.now()), { once: true })
      })
      holder.proxy.fate = () => 'swallow'
      const since = performance.now()
      const next = await direct.acquire(key)
      const takenAt = performance.now()
      expect(takenAt - since).toBeLessThan(TTL + 1_000)
      expect(await lostAt).toBeLessThan(takenAt)
      expect(held.signal.reason).toMatchObject({ code: 'LOCK_LOST', key })

      await held.release()
      await expectRefused(direct, key)
      await next.release()
      let cut = false
      holder.proxy.fate = () => (cut ? 'pass' : ((cut = true), 'cut'))
      await waitUntil('it is granted again', () => holder.locker.withLock(key, async () => true, { timeout: 1_000 }).catch(() => undefined))
    })

    test('a connection that is cut for less than the ttl does not lose the lock', async () => {
      const TTL = 1_500
      await using holder = await connectThroughProxy(TTL)
      let cuts = 0
      await holder.locker.withLock(key, async ({ signal }) => {
        holder.proxy.fate = () => (cuts++ < 2 ? 'cut' : 'pass')
        const enough = performance.now() + 2 * TTL
        while (performance.now() < enough) await expectRefused(direct, key)
        expect(signal.aborted).toBe(false)
      })
      expect(cuts).toBeGreaterThan(2)
    })

    test('a grant that comes after its caller has left is given back', async () => {
      await using late = await connectThroughProxy(LONG)
      let ask!: () => void
      let answer!: () => void
      const asked = new Promise<void>((resolve) => (ask = resolve))
      const answered = new Promise<void>((resolve) => (answer = resolve))
      late.proxy.fate = async (): Promise<Fate> => {
        ask()
        await answered
        return 'pass'
      }
      const controller = new AbortController()
      const reason = new RangeError('left')
      const waiting = rejectionOf(late.locker.acquire(key, { signal: controller.signal }))
      await asked
      controller.abort(reason)
      expect(await waiting).toBe(reason)

      await using questions = await watchQuestions()
      answer()
      await waitUntil('it was granted and given back', async () => (await questions.count()) === 2 || undefined)
      await expectFree(direct, key)
    })

    test('a grant whose answer is lost holds nobody up', async () => {
      await using holder = await connectThroughProxy(LONG)
      let cuts = 0
      holder.proxy.fate = (data) => (data.includes(key) && cuts++ === 0 ? 'deliver and cut' : 'pass')
      // ioredis sends it again, and the script knows its owner; node-redis leaves that to its caller.
      const held = await holder.locker.acquire(key).catch((error: unknown) => {
        expect(isRowLockError(error)).toBe(false)
      })
      expect(cuts).toBeGreaterThan(0)
      if (held) await expectRefused(direct, key)
      await held?.release()
      await expectFree(direct, key)
    })
  })
})
