import { IdempotencyConflictError, RecordNotFoundError } from 'rowlock'
import { once } from 'rowlock/lockers'
import { raceProcesses } from 'rowlock/testing'
import { beforeAll, describe, expect, test } from 'vitest'
import { Prisma } from '../../../src/generated/prisma/client.js'
import { createClient } from '../../support/client.js'
import { useDatabase } from '../../support/database.js'
import { held } from '../../support/held.js'
import { createEffect, type EffectResult, newKey } from '../../support/idempotency/effect.js'
import type { OnceRace } from '../../support/idempotency/once.actor.js'
import { expectRejection } from '../../support/rejections.js'
import { settledOrBlocked } from '../../support/repositories/lock-checks.js'
import { createWorld, type World } from '../../support/repositories/world.js'

const database = useDatabase()
let world: World
beforeAll(() => {
  world = createWorld(database)
})

const patient = { maxWait: 20_000, timeout: 20_000 }
const recordOf = (key: string, operation = 'once') =>
  world.other.idempotencyRecord.findUnique({ where: { operation_key: { operation, key } } })

describe('the same key with the same input', () => {
  test('runs once and gives everyone the first result, with its types', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    const first = await once(world.prisma, key, { user: 1 }, effect.run)
    const again = await once(world.prisma, key, { user: 1 }, effect.run)

    expect(again).toStrictEqual(first)
    for (const result of [first, again]) {
      expect(result.amount).toBeInstanceOf(Prisma.Decimal)
      expect(result.at).toBeInstanceOf(Date)
      expect(result.bytes).toBeInstanceOf(Uint8Array)
      expect(result).toMatchObject({ count: 1, run: 1, id: 2n ** 60n, list: [new Date(0), null, undefined] })
    }
    expect([effect.runs(), await effect.count()]).toEqual([1, 1])
  })

  test('gives the first caller what was stored, down to the order of its keys', async () => {
    const key = newKey()
    const run = async () => ({ later: 1, a: 2, nested: { zz: 1, y: 2 } })
    const first = await once(world.prisma, key, null, run)
    expect(JSON.stringify(await once(world.prisma, key, null, run))).toBe(JSON.stringify(first))
  })

  test('runs once for 100 callers at once, and all get the result', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    const results = await Promise.all(Array.from({ length: 100 }, () => once(world.prisma, key, 'input', effect.run, patient)))
    for (const result of results) expect(result).toStrictEqual(results[0])
    expect([effect.runs(), await effect.count()]).toEqual([1, 1])
  })

  test('runs once for 300 callers at a gate, with a pool of 3', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    const { prisma } = createClient(database, { poolSize: 3 })
    const results = await Promise.all(Array.from({ length: 300 }, () => once(prisma, key, 'input', effect.run, { gate: key })))
    expect(new Set(results.map(({ run }) => run))).toEqual(new Set([1]))
    expect(await effect.count()).toBe(1)
  })

  test('runs once for 100 callers in 4 processes, and all get the result', async () => {
    const [{ name, count }, key] = [await createEffect(world), newKey()]
    const { values, errors } = await raceProcesses<EffectResult>({
      processes: 4,
      requests: 100,
      module: new URL('../../support/idempotency/once.actor.ts', import.meta.url),
      exportName: 'callOnce',
      input: { url: database.url, key, company: name } satisfies OnceRace,
      deadline: 25_000,
    })
    expect(errors).toEqual({})
    expect(values).toHaveLength(100)
    for (const value of values) expect(value).toStrictEqual(values[0])
    expect(await count()).toBe(1)
  })

  test('waits for the one that runs, and gets its result after the commit', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    const first = await held<typeof world.other, EffectResult>(world.other, (tx) => once(tx, key, 1, effect.run))
    const second = once(world.prisma, key, 1, effect.run)
    expect(await settledOrBlocked(world, second)).toMatchObject([{ blockedBy: [first.pid] }])
    await first.commit()
    expect(await second).toStrictEqual(first.result)
    expect([effect.runs(), await effect.count()]).toEqual([1, 1])
  })

  test('waits for the one that runs, and runs itself after a rollback', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    const first = await held<typeof world.other, EffectResult>(world.other, (tx) => once(tx, key, 1, effect.run))
    const second = once(world.prisma, key, 1, effect.run)
    expect(await settledOrBlocked(world, second)).toMatchObject([{ blockedBy: [first.pid] }])
    await first.rollback()
    expect(await second).toMatchObject({ run: 2, count: 1 })
    expect(await effect.count()).toBe(1)
  })

  test('keeps nobody with another key waiting', async () => {
    const [effect, other] = [await createEffect(world), await createEffect(world)]
    const key = newKey()
    const first = await held(world.other, (tx) => once(tx, key, 1, effect.run))
    await once(world.prisma, newKey(), 1, other.run)
    await once(world.prisma, key, 1, other.run, { operation: 'another' })
    expect(await other.count()).toBe(2)
    await first.commit()
  })

  test.each([undefined, null, 0, '', false, [], {}])('gives %j when that was the result', async (value) => {
    const key = newKey()
    let runs = 0
    const run = async () => (runs++, value)
    expect(await once(world.prisma, key, undefined, run)).toStrictEqual(value)
    expect(await once(world.prisma, key, undefined, run)).toStrictEqual(value)
    expect(runs).toBe(1)
  })

  test('may serve two operations', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    const results = [
      await once(world.prisma, key, 1, effect.run),
      await once(world.prisma, key, 2, effect.run, { operation: 'refund' }),
      await once(world.prisma, key, 2, effect.run, { operation: 'refund' }),
    ]
    expect(results.map(({ run }) => run)).toEqual([1, 2, 2])
    expect(await recordOf(key, 'refund')).not.toBeNull()
  })
})

describe('the input', () => {
  test('is the same in another order of its keys, and without its undefined fields', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    const amount = new Prisma.Decimal('1.50')
    await once(world.prisma, key, { user: { id: 1, tags: ['a'] }, amount, note: undefined }, effect.run)
    await once(world.prisma, key, { amount: new Prisma.Decimal(1.5), user: { tags: ['a'], id: 1 } }, effect.run)
    expect(effect.runs()).toBe(1)
  })

  test('must be the same: another one is a conflict, and has no effect', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    await once(world.prisma, key, { user: 1 }, effect.run, { operation: 'pay' })
    const conflict = once(world.prisma, key, { user: '1' }, effect.run, { operation: 'pay' })
    await expectRejection(conflict, IdempotencyConflictError, { operation: 'pay', idempotencyKey: key, retryable: false })
    expect(effect.runs()).toBe(1)
  })

  test('that differs makes one of two callers at once the conflict', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    const results = await Promise.allSettled([1, 2].map((input) => once(world.prisma, key, input, effect.run)))
    const [refused] = results.filter((result) => result.status === 'rejected')
    expect(refused?.reason).toBeInstanceOf(IdempotencyConflictError)
    expect(await effect.count()).toBe(1)
  })

  test('is not stored', async () => {
    const key = newKey()
    await once(world.prisma, key, { secret: 'hunter2' }, async () => 1)
    expect(JSON.stringify(await recordOf(key))).not.toContain('hunter2')
  })
})

describe('a run that fails', () => {
  test('leaves the key free, and nothing of its effect', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    const failing = once(world.prisma, key, 1, async (tx) => {
      await effect.run(tx)
      throw new RangeError('no')
    })
    await expect(failing).rejects.toEqual(new RangeError('no'))
    expect([await effect.count(), await recordOf(key)]).toEqual([0, null])
    expect(await once(world.prisma, key, 'other input', effect.run)).toMatchObject({ run: 2, count: 1 })
  })

  test('by a result that cannot be stored says where, and leaves nothing', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    const failing = once(world.prisma, key, 1, async (tx) => ({ rows: [await effect.run(tx), { later: () => 1 }] }))
    await expect(failing).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'result.rows[1].later' })
    expect([await effect.count(), await recordOf(key)]).toEqual([0, null])
  })

  test('by the deletion of its own record leaves nothing', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    const failing = once(world.prisma, key, 1, async (tx) => {
      await tx.idempotencyRecord.deleteMany({ where: { key } })
      return effect.run(tx)
    })
    await expectRejection(failing, RecordNotFoundError)
    expect(await effect.count()).toBe(0)
  })

  test('by a deadlock is run again, in a new transaction', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    let attempts = 0
    const result = await once(world.prisma, key, 1, async (tx) => {
      const done = await effect.run(tx)
      if (++attempts === 1) await tx.$executeRaw`DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$`
      return done
    })
    expect(result).toMatchObject({ run: 2, count: 1 })
  })
})

test('the record has the time of the server, whatever clock the client goes by', async () => {
  const key = newKey()
  const realNow = Date.now
  Date.now = () => realNow() - 3_600_000
  try {
    await once(world.prisma, key, 1, async () => 1)
  } finally {
    Date.now = realNow
  }
  const [{ age }] = await database.sql<[{ age: number }]>`
    SELECT extract(epoch FROM clock_timestamp() - "createdAt")::float8 AS age FROM "IdempotencyRecord" WHERE key = ${key}`
  expect(age).toBeLessThan(60)
})
