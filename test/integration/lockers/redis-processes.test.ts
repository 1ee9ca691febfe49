import { Redis } from 'ioredis'
import { redisLocker, type RedisLocker } from 'rowlock/lockers'
import { raceProcesses } from 'rowlock/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { HolderProcess } from '../../support/lockers/holder-process.js'
import { expectRefused } from '../../support/lockers/locker-checks.js'
import { REDIS_LIBRARIES, redisPrefix, redisUrl, waitUntilListening } from '../../support/lockers/redis.js'

const HOUR = 3_600_000
const LIMIT = 120_000
const LIBRARIES = Object.keys(REDIS_LIBRARIES)

describe.skipIf(redisUrl === undefined)('redisLocker and processes, skipped without REDIS_URL', () => {
  const database = useDatabase()
  let redis: Redis
  let locker: RedisLocker
  beforeAll(async () => {
    redis = new Redis(redisUrl!)
    locker = redisLocker(redis, { ttl: 5_000, prefix: redisPrefix })
    await database.sql`
      CREATE TABLE effect (key text PRIMARY KEY, token bigint NOT NULL DEFAULT 0, written bigint[] NOT NULL DEFAULT '{}')`
  })
  afterAll(() => redis.quit())

  let keys = 0
  async function newKey(): Promise<string> {
    const key = `key ${++keys}`
    await database.sql`INSERT INTO effect (key) VALUES (${key})`
    return key
  }

  const startHolder = (ttl: number, library: string, shiftClock = 0) =>
    HolderProcess.start({ url: database.url, ttl, shiftClock, program: 'redis-holder.ts', args: [library, redisPrefix] })

  /** The tokens of the writes, in the order in which they were committed. */
  async function writtenUnder(key: string): Promise<bigint[]> {
    const [row] = await database.sql<[{ written: string[] }]>`SELECT written::text[] FROM effect WHERE key = ${key}`
    return row.written.map(BigInt)
  }

  /** Takes the lock over, writes under it and gives it back; returns its token and how long it waited. */
  function takeOver(key: string): Promise<{ token: bigint; waited: number }> {
    const since = performance.now()
    return locker.withLock(
      key,
      async ({ fencingToken: token }) => {
        const waited = performance.now() - since
        const { count } = await database.sql`
          UPDATE effect SET token = ${String(token)}, written = written || ${String(token)}::bigint
          WHERE key = ${key} AND token <= ${String(token)}`
        expect(count).toBe(1)
        return { token, waited }
      },
      { timeout: 20_000 },
    )
  }

  describe('a holder that is stopped while another one takes over and writes, and then goes on', () => {
    const PROCESSES = 4
    let holders: HolderProcess[] = []
    beforeAll(async () => {
      holders = await Promise.all(Array.from({ length: PROCESSES }, (_, index) => startHolder(150, LIBRARIES[index % 2]!)))
    })
    afterAll(() => Promise.all(holders.map((holder) => holder.kill())))

    /** Runs this many rounds, each with a key of its own, in all processes at once. */
    async function repeat<R>(rounds: number, run: (holder: HolderProcess, key: string) => Promise<R>): Promise<R[]> {
      const results = await Promise.all(
        holders.map(async (holder) => {
          const done: R[] = []
          for (let round = 0; round < rounds / PROCESSES; round++) done.push(await run(holder, await newKey()))
          return done
        }),
      )
      return results.flat()
    }

    async function stoppedAndOvertaken(holder: HolderProcess, key: string, write: 'write' | 'writeUnguarded') {
      const stale = await holder.tell('hold', key)
      holder.stop()
      const { token } = await takeOver(key)
      const writing = holder.tell(write, key)
      holder.goOn()
      return { stale, token, outcome: await writing, whyLost: await holder.tell('whyLost', key), written: await writtenUnder(key) }
    }

    test('has its write refused, and is told that it lost the lock, 200 times of 200', { timeout: LIMIT }, async () => {
      const rounds = await repeat(200, (holder, key) => stoppedAndOvertaken(holder, key, 'write'))
      expect(rounds).toHaveLength(200)
      for (const { stale, token, outcome, whyLost, written } of rounds) {
        expect(token > stale).toBe(true)
        expect({ outcome, whyLost, written }).toEqual({ outcome: 'refused', whyLost: 'LOCK_LOST', written: [token] })
      }
    })

    test('writes over what the other one wrote, where nothing checks its token', { timeout: LIMIT }, async () => {
      const rounds = await repeat(20, (holder, key) => stoppedAndOvertaken(holder, key, 'writeUnguarded'))
      for (const { stale, token, outcome, written } of rounds) {
        expect({ outcome, written }).toEqual({ outcome: 'written', written: [token, stale] })
      }
    })
  })

  test.each(LIBRARIES)(
    'a holder that was killed is taken over within its ttl and a second, with %s',
    { timeout: LIMIT },
    async (library) => {
      const TTL = 1_000
      await using holder = await startHolder(TTL, library)
      const key = await newKey()
      const first = await holder.tell('hold', key)
      await holder.kill()
      const { token, waited } = await takeOver(key)
      expect(waited).toBeLessThan(TTL + 1_000)
      expect(token > first).toBe(true)
    },
  )

  test.each([
    [-HOUR, 'ioredis'],
    [HOUR, 'node-redis'],
  ])('a clock of the holder that is %i ms off makes no difference, with %s', { timeout: LIMIT }, async (shiftClock, library) => {
    const TTL = 300
    await using holder = await startHolder(TTL, library, shiftClock)
    const key = await newKey()
    const first = await holder.tell('hold', key)
    const enough = performance.now() + 3 * TTL
    while (performance.now() < enough) await expectRefused(locker, key)
    await holder.tell('release', key)

    const held = await locker.acquire(key, { nowait: true })
    const next = holder.tell('hold', key)
    await held.release()
    const tokens = [first, held.fencingToken, await next]
    expect(tokens).toEqual(tokens.toSorted((one, other) => Number(one - other)))
    await holder.kill()
    expect((await takeOver(key)).waited).toBeLessThan(TTL + 1_000)
  })

  test('tokens grow strictly over 1,000 grants to 4 processes', { timeout: LIMIT }, async () => {
    const input = { prefix: `${redisPrefix}many:` }
    const module = new URL('../../support/lockers/redis-actors.ts', import.meta.url)
    const { errorSamples } = await raceProcesses({
      processes: 4,
      requests: 1_000,
      concurrency: 40,
      module,
      exportName: 'appendToken',
      input,
    })
    expect(errorSamples).toEqual({})
    const tokens = (await redis.lrange(`${input.prefix}tokens`, 0, -1)).map(BigInt)
    await redis.del(`${input.prefix}tokens`)
    expect(tokens).toHaveLength(1_000)
    expect(tokens.filter((token, index) => index > 0 && token <= tokens[index - 1]!)).toEqual([])
  })

  test.each(LIBRARIES)('a process that has waited ends by itself, with %s', { timeout: LIMIT }, async (library) => {
    await using holder = await startHolder(60_000, library)
    const key = await newKey()
    const held = await locker.acquire(key)
    const waiting = holder.tell('hold', key)
    await waitUntilListening(redis, redisPrefix + key)
    await held.release()
    await waiting
    await holder.tell('release', key)
    void holder.tell('leave', key)
    await holder.exited
  })
})
