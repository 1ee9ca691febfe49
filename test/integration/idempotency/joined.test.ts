import { IdempotencyConflictError, ReentrantLockError, SerializationError, type TransactionOptions } from 'rowlock'
import { once } from 'rowlock/lockers'
import { beforeAll, describe, expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { held } from '../../support/held.js'
import { createEffect, newKey } from '../../support/idempotency/effect.js'
import { expectRejection, rejectionOf } from '../../support/rejections.js'
import { settledOrBlocked } from '../../support/repositories/lock-checks.js'
import { createWorld, type World } from '../../support/repositories/world.js'

const database = useDatabase()
let world: World
beforeAll(() => {
  world = createWorld(database)
})

const recordsOf = (key: string) => world.other.idempotencyRecord.count({ where: { key } })

describe('in a transaction that it joins, once', () => {
  test('takes effect with the rest of it, or not at all', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    const rolledBack = world.prisma.$transaction(async (tx) => {
      await once(tx, key, 1, effect.run)
      throw new RangeError('after it')
    })
    await expect(rolledBack).rejects.toThrow(RangeError)
    expect([await effect.count(), await recordsOf(key)]).toEqual([0, 0])

    const results = await world.prisma.$transactionWithRetry(async (tx) => [
      await once(tx, key, 1, effect.run),
      await once(tx, key, 1, effect.run),
    ])
    expect(results[1]).toStrictEqual(results[0])
    expect([await effect.count(), await recordsOf(key)]).toEqual([1, 1])
  })

  test('leaves the key free when the caller catches the error of the run and commits', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    await world.prisma.$transaction(async (tx) => {
      const refused = once(tx, key, 1, () => Promise.reject(new RangeError('refused')))
      await expect(refused).rejects.toEqual(new RangeError('refused'))
      const unstorable = once(tx, key, 1, async () => () => 1)
      await expect(unstorable).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'result' })
      await effect.run(tx)
    })
    expect([await effect.count(), await recordsOf(key)]).toEqual([1, 0])
  })

  test('gives the error of a failed statement, and not that of the transaction that it aborted', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    const failing = world.prisma.$transaction((tx) =>
      once(tx, key, 1, async () => {
        await effect.run(tx)
        return tx.company.create({ data: { name: effect.name } })
      }),
    )
    expect(await rejectionOf(failing)).toMatchObject({ code: 'P2002' })
    expect([await effect.count(), await recordsOf(key)]).toEqual([0, 0])
  })

  test('undoes a failed run in a nested transaction, which the outer one survives', async () => {
    const [effect, other, key] = [await createEffect(world), await createEffect(world), newKey()]
    await world.prisma.$transaction(async (tx) => {
      const nested = tx.$transaction((inner) =>
        once(inner, key, 1, async (run) => {
          await effect.run(run)
          return run.company.create({ data: { name: effect.name } })
        }),
      )
      expect(await rejectionOf(nested)).toMatchObject({ code: 'P2002' })
      await other.run(tx)
    })
    expect([await effect.count(), await other.count(), await recordsOf(key)]).toEqual([0, 1, 0])
  })

  test('keeps the conflict from harming the transaction', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    await world.prisma.$transaction(async (tx) => {
      await once(tx, key, 1, effect.run)
      await expectRejection(once(tx, key, 2, effect.run), IdempotencyConflictError)
      await effect.run(tx)
    })
    expect([await effect.count(), await recordsOf(key)]).toEqual([2, 1])
  })

  test('is refused while it runs for the same key in the same transaction', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    await world.prisma.$transaction((tx) =>
      once(tx, key, 1, async () => {
        await expectRejection(once(tx, key, 1, effect.run), ReentrantLockError, { key: { operation: 'once', key } })
        return effect.run(tx)
      }),
    )
    expect(await effect.count()).toBe(1)
  })

  test('takes no limits: the transaction has its own', async () => {
    await world.prisma.$transaction(async (tx) => {
      const limited = once(tx, newKey(), 1, async () => 1, { operation: 'a', timeout: 10 })
      await expect(limited).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'options.timeout' })
    })
  })
})

describe.each(['RepeatableRead', 'Serializable'] as const)('under %s', (isolationLevel) => {
  const options: TransactionOptions = { isolationLevel, maxWait: 20_000, retry: { attempts: 100 } }

  test('8 callers at once run once, and all get the result', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    const results = await Promise.all(Array.from({ length: 8 }, () => once(world.prisma, key, 1, effect.run, options)))
    for (const result of results) expect(result).toStrictEqual(results[0])
    expect(await effect.count()).toBe(1)
  })

  test('8 joined callers at once run once, and all get the result', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    const call = () => world.prisma.$transactionWithRetry((tx) => once(tx, key, 1, effect.run), options)
    const results = await Promise.all(Array.from({ length: 8 }, call))
    for (const result of results) expect(result).toStrictEqual(results[0])
    expect(await effect.count()).toBe(1)
  })

  test('a caller who waited for a commit that its snapshot does not see fails, and may be retried', async () => {
    const [effect, key] = [await createEffect(world), newKey()]
    const first = await held(world.other, (tx) => once(tx, key, 1, effect.run))
    const second = once(world.prisma, key, 1, effect.run, { isolationLevel, retry: false })
    second.catch(() => undefined)
    expect(await settledOrBlocked(world, second)).toMatchObject([{ blockedBy: [first.pid] }])
    await first.commit()
    await expectRejection(second, SerializationError, { retryable: true })
    expect(await once(world.prisma, key, 1, effect.run, { isolationLevel })).toStrictEqual(first.result)
  })
})
