import { once, sweepOnce } from 'rowlock/lockers'
import { credit } from 'rowlock/repositories'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { TestClient } from '../../support/client.js'
import { useDatabase } from '../../support/database.js'
import { held } from '../../support/held.js'
import { createEffect, newKey } from '../../support/idempotency/effect.js'
import { settledOrBlocked } from '../../support/repositories/lock-checks.js'
import { createTamperedClient, withoutLocks } from '../../support/repositories/tampered-client.js'
import { createUser, createWorld, entriesOf, type World } from '../../support/repositories/world.js'

const database = useDatabase()
let world: World
beforeAll(() => {
  world = createWorld(database)
})
beforeEach(async () => {
  await database.sql`TRUNCATE "IdempotencyRecord"`
})

const HOUR = 3_600_000
const recordsLeft = () => world.other.idempotencyRecord.count()

/** Records of which the n-th is n hours old. */
async function createRecords(count: number): Promise<void> {
  await database.sql`
    INSERT INTO "IdempotencyRecord" (operation, key, "inputHash", result, "createdAt")
    SELECT 'once', 'old ' || n, '', '1', clock_timestamp() - n * interval '1 hour' FROM generate_series(1, ${count}) AS n`
}

async function age(key: string): Promise<void> {
  await database.sql`UPDATE "IdempotencyRecord" SET "createdAt" = clock_timestamp() - interval '1 day' WHERE key = ${key}`
}

describe('sweepOnce', () => {
  test('deletes what is older by the clock of the server, and says how many', async () => {
    await createRecords(5)
    const realNow = Date.now
    Date.now = () => realNow() + 1_000 * HOUR
    const deleted = await sweepOnce(world.prisma, { olderThan: 3.5 * HOUR }).finally(() => {
      Date.now = realNow
    })
    expect([deleted, await recordsLeft()]).toEqual([2, 3])
    expect(await sweepOnce(world.prisma, { olderThan: 3.5 * HOUR })).toBe(0)
    expect(await sweepOnce(world.prisma, { olderThan: 0 })).toBe(3)
  })

  test('deletes more than one batch, and no more than its limit, the oldest first', async () => {
    await createRecords(3_500)
    expect(await sweepOnce(world.prisma, { olderThan: HOUR / 2, limit: 1_200 })).toBe(1_200)
    const [oldest] = await database.sql<[{ key: string }]>`SELECT key FROM "IdempotencyRecord" ORDER BY "createdAt" LIMIT 1`
    expect(oldest.key).toBe('old 2300')
    expect(await sweepOnce(world.prisma, { olderThan: HOUR / 2 })).toBe(2_300)
  })

  test('finds the records by the index on their age', async () => {
    await createRecords(2_000)
    await database.sql`ANALYZE "IdempotencyRecord"`
    const sent: string[] = []
    const { prisma } = createTamperedClient(database, { before: (sql) => sent.push(sql) })
    await sweepOnce(prisma, { olderThan: 10_000 * HOUR })
    await database.sql.unsafe(`PREPARE sweep AS ${sent[0]}`)
    const plan = await database.sql.unsafe<{ 'QUERY PLAN': string }[]>('EXPLAIN EXECUTE sweep (1, 100)')
    expect(plan.map((row) => row['QUERY PLAN']).join('\n')).toContain('Index Scan using "IdempotencyRecord_createdAt_idx"')
  })

  test('makes a key new, for the repositories, too', async () => {
    const [effect, key, userId] = [await createEffect(world), newKey(), await createUser(world)]
    for (let time = 0; time < 2; time++) {
      await once(world.prisma, key, time, effect.run)
      await credit(world.prisma, { userId, amount: 1, idempotencyKey: key })
      expect(await sweepOnce(world.prisma, { olderThan: 0 })).toBe(2)
    }
    expect([await effect.count(), (await entriesOf(world, userId)).length]).toEqual([2, 2])
  })

  test('leaves the record of a run that has not been committed, without waiting', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    const running = await held(world.other, (tx) => once(tx, key, 1, effect.run))
    const sweep = sweepOnce(world.prisma, { olderThan: 0 })
    expect(await settledOrBlocked(world, sweep)).toEqual([])
    expect(await sweep).toBe(0)
    await running.commit()
    expect(await recordsLeft()).toBe(1)
  })

  /** Sweeps beside a transaction that has its result from an old record, and returns how many it deleted. */
  async function sweepBesideReplay(client: TestClient): Promise<number> {
    const [effect, key] = [await createEffect(world), newKey()]
    await once(world.prisma, key, 1, effect.run)
    await age(key)
    const replaying = await held(client, (tx) => once(tx, key, 1, effect.run))
    const sweep = sweepOnce(world.prisma, { olderThan: HOUR })
    expect(await settledOrBlocked(world, sweep)).toEqual([])
    await replaying.commit()
    return sweep
  }

  test('leaves the record that a running transaction has its result from, without waiting', async () => {
    expect(await sweepBesideReplay(world.other)).toBe(0)
    expect(await sweepOnce(world.prisma, { olderThan: HOUR })).toBe(1)
  })

  test('would not leave it without the row lock on it', async () => {
    const { prisma } = createTamperedClient(database, { rewrite: withoutLocks })
    expect(await sweepBesideReplay(prisma)).toBe(1)
  })

  test('keeps the key from a caller who comes while it deletes, and gives it free then', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    await once(world.prisma, key, 1, effect.run)
    await age(key)
    const sweeping = await held(world.other, (tx) => sweepOnce(tx, { olderThan: HOUR }))
    expect(sweeping.result).toBe(1)
    const call = once(world.prisma, key, 1, effect.run)
    expect(await settledOrBlocked(world, call)).toMatchObject([{ blockedBy: [sweeping.pid] }])
    await sweeping.commit()
    expect(await call).toMatchObject({ run: 2, count: 2 })
  })

  test('shares the work with others that run at once', async () => {
    await createRecords(5_000)
    const deleted = await Promise.all([1, 2, 3].map(() => sweepOnce(world.prisma, { olderThan: HOUR / 2 })))
    expect(deleted.reduce((sum, count) => sum + count)).toBe(5_000)
    expect(await recordsLeft()).toBe(0)
  })
})
