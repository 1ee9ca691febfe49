import { leaseLocker } from 'rowlock/lockers'
import { raceProcesses } from 'rowlock/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase } from '../../support/database.js'
import { HolderProcess } from '../../support/lockers/holder-process.js'
import { expectRefused } from '../../support/lockers/locker-checks.js'

const database = useDatabase()
const HOUR = 3_600_000
const LIMIT = 120_000

let prisma: TestClient
beforeAll(async () => {
  ;({ prisma } = createClient(database))
  await database.sql`CREATE TABLE effect (key text PRIMARY KEY, tokens bigint[] NOT NULL DEFAULT '{}')`
})

let keys = 0
async function newKey(): Promise<string> {
  const key = `key ${++keys}`
  await database.sql`INSERT INTO effect (key) VALUES (${key})`
  return key
}

/** The tokens of the writes, in the order in which they were committed. */
async function writtenUnder(key: string): Promise<bigint[]> {
  const [row] = await database.sql<[{ tokens: string[] }]>`SELECT tokens::text[] FROM effect WHERE key = ${key}`
  return row.tokens.map(BigInt)
}

/** Takes the lease over, writes under it and gives it back; returns its token and how long it waited. */
function takeOver(key: string): Promise<{ token: bigint; waited: number }> {
  const since = performance.now()
  const locker = leaseLocker(prisma, { ttl: 5_000 })
  return locker.withLock(
    key,
    async ({ fencingToken: token }) => {
      const waited = performance.now() - since
      await prisma.$transaction(async (tx) => {
        await locker.guardedWrite(tx, token)
        await tx.$executeRaw`UPDATE effect SET tokens = tokens || ${token}::bigint WHERE key = ${key}`
      })
      return { token, waited }
    },
    { timeout: 20_000 },
  )
}

describe('a holder that is stopped while another one takes over and writes, and then goes on', () => {
  const TTL = 150
  const PROCESSES = 4
  let holders: HolderProcess[] = []
  beforeAll(async () => {
    holders = await Promise.all(Array.from({ length: PROCESSES }, () => HolderProcess.start({ url: database.url, ttl: TTL })))
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

  test('has its write refused, 200 times of 200', { timeout: LIMIT }, async () => {
    const outcomes = await repeat(200, async (holder, key) => {
      const stale = await holder.tell('hold', key)
      holder.stop()
      const { token } = await takeOver(key)
      const writing = holder.tell('write', key)
      holder.goOn()
      const outcome = await writing
      expect(token > stale, `${token} after ${stale}`).toBe(true)
      expect(await writtenUnder(key)).toEqual([token])
      expect(await holder.tell('whyLost', key)).toBe('LOCK_LOST')
      return outcome
    })
    expect(outcomes).toEqual(Array.from({ length: 200 }, () => 'STALE_TOKEN'))
  })

  test('writes over what the other one wrote, if it does not guard its write', { timeout: LIMIT }, async () => {
    await repeat(20, async (holder, key) => {
      const stale = await holder.tell('hold', key)
      holder.stop()
      const { token } = await takeOver(key)
      const writing = holder.tell('writeUnguarded', key)
      holder.goOn()
      expect(await writing).toBe('written')
      expect(await writtenUnder(key)).toEqual([token, stale])
    })
  })

  test('has lost its connection, if it was stopped in the middle of a guarded transaction', { timeout: LIMIT }, async () => {
    const waits = await repeat(20, async (holder, key) => {
      await holder.tell('hold', key)
      await holder.tell('begin', key)
      holder.stop()
      const { token, waited } = await takeOver(key)
      const writing = holder.tell('finish', key)
      holder.goOn()
      expect(await writing).toBe('CONNECTION_LOST')
      expect(await writtenUnder(key)).toEqual([token])
      return waited
    })
    // The server ends the transaction after a second, as the lease has less left.
    expect(Math.max(...waits)).toBeLessThan(1_000 + TTL + 1_000)
  })

  test('has written before the other one or not at all, wherever it was stopped', { timeout: LIMIT }, async () => {
    const outcomes = await repeat(80, async (holder, key) => {
      const first = await holder.tell('hold', key)
      const writing = holder.tell('write', key)
      const until = performance.now() + Math.random() * 8
      while (performance.now() < until) await new Promise(setImmediate)
      holder.stop()
      const { token } = await takeOver(key)
      holder.goOn()
      const outcome = await writing
      const written = await writtenUnder(key)
      const firstWrote = outcome === 'AMBIGUOUS_COMMIT' ? written.length > 1 : outcome === 'written'
      expect(written).toEqual(firstWrote ? [first, token] : [token])
      return outcome
    })
    // Otherwise it was always stopped at the same place.
    expect(new Set(outcomes).size).toBeGreaterThan(1)
  })
})

test.each([
  ['right', 0],
  ['an hour slow', -HOUR],
  ['an hour fast', HOUR],
])('a holder whose clock is %s keeps its lease, waits for others, and is replaced within its ttl when killed', async (_, shiftClock) => {
  const ttl = 1_200
  await using holder = await HolderProcess.start({ url: database.url, ttl, shiftClock })
  const locker = leaseLocker(prisma, { ttl: 5_000 })
  const key = await newKey()

  const held = await locker.acquire(key)
  const waiting = holder.tell('hold', key)
  await database.sql`SELECT pg_sleep(${ttl / 1_000})`
  await held.release()
  expect((await waiting) > held.fencingToken).toBe(true)

  // As long as three leases.
  for (let look = 0; look < 12; look++) {
    await expectRefused(locker, key)
    await database.sql`SELECT pg_sleep(${ttl / 4_000})`
  }
  expect(await holder.tell('whyLost', key)).toBeUndefined()

  const taking = takeOver(key)
  await holder.kill()
  const killed = performance.now()
  await taking
  expect(performance.now() - killed).toBeLessThan(ttl + 1_000)
})

test('of 1,000 grants to four processes each has a larger token than the one before', { timeout: LIMIT }, async () => {
  const key = await newKey()
  const { errorSamples } = await raceProcesses({
    processes: 4,
    requests: 1_000,
    concurrency: 40,
    module: new URL('../../support/lockers/lease-actors.ts', import.meta.url),
    exportName: 'appendToken',
    input: { url: database.url, key },
  })
  expect(errorSamples).toEqual({})
  const tokens = await writtenUnder(key)
  expect(tokens).toHaveLength(1_000)
  expect(tokens.filter((token, index) => index > 0 && token <= tokens[index - 1]!)).toEqual([])
})

test('a process that has nothing to do but to renew a lease ends, and the lease expires', async () => {
  await using holder = await HolderProcess.start({ url: database.url, ttl: 3_000 })
  const key = await newKey()
  await holder.tell('hold', key)
  void holder.tell('leave', key)
  await holder.exited
  await expectRefused(leaseLocker(prisma, { ttl: 1_000 }), key)
  await takeOver(key)
})
