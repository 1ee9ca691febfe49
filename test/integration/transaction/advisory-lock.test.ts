import { advisoryLockKey, type AdvisoryLockOptions, LockNotAvailableError, LockOutsideTransactionError, LockTimeoutError } from 'rowlock'
import { beforeAll, describe, expect, test } from 'vitest'
import { createClient, type TestClient } from '../../support/client.js'
import { blockedBy, useDatabase, waitUntilSessionsBlocked } from '../../support/database.js'
import { held } from '../../support/held.js'
import { expectRejection, useRejectionCheck } from '../../support/rejections.js'

const database = useDatabase()
useRejectionCheck()

let prisma: TestClient

beforeAll(() => {
  prisma = createClient(database).prisma
})

const hold = (key: Parameters<typeof advisoryLockKey>[0], options?: AdvisoryLockOptions) =>
  held(prisma, (tx) => tx.$advisoryLock(key, options))
const take = (key: Parameters<typeof advisoryLockKey>[0], options?: AdvisoryLockOptions) =>
  prisma.$transaction((tx) => tx.$advisoryLock(key, options))

interface AdvisoryLock {
  readonly pid: number
  readonly mode: string
  readonly granted: boolean
}

const locks = async (): Promise<AdvisoryLock[]> =>
  database.sql<AdvisoryLock[]>`
    SELECT pid, mode, granted FROM pg_locks
    WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY granted DESC`

describe('two sessions', () => {
  test('exclude each other, and the second one gets the lock when the first one commits', async () => {
    const first = await hold('report')
    const second = hold('report')
    const [blocked] = await waitUntilSessionsBlocked(database.sql, 1)
    expect(await blockedBy(database.sql, blocked!.pid)).toEqual([first.pid])
    expect(await locks()).toMatchObject([
      { pid: first.pid, mode: 'ExclusiveLock', granted: true },
      { pid: blocked!.pid, mode: 'ExclusiveLock', granted: false },
    ])

    await first.commit()
    expect((await second).pid).toBe(blocked!.pid)
    expect(await locks()).toMatchObject([{ pid: blocked!.pid, granted: true }])
    await (await second).commit()
  })

  test('do not exclude each other with different keys', async () => {
    const first = await hold('report')
    await take('another', { nowait: true })
    await first.commit()
  })

  test('hold a shared lock together, and exclude an exclusive one', async () => {
    const [first, second] = [await hold('report', { shared: true }), await hold('report', { shared: true })]
    expect((await locks()).map(({ mode, granted }) => [mode, granted])).toEqual([
      ['ShareLock', true],
      ['ShareLock', true],
    ])
    const error = await expectRejection(take('report', { nowait: true }), LockNotAvailableError)
    expect(error.blockers?.map(({ pid }) => pid).sort()).toEqual([first.pid, second.pid].sort())
    await first.commit()
    await second.commit()
    await take('report', { nowait: true })
  })

  test('exclude a shared lock by an exclusive one', async () => {
    const first = await hold('report')
    await expectRejection(take('report', { nowait: true, shared: true }), LockNotAvailableError)
    await first.commit()
  })
})

describe('the lock is released', () => {
  const isFree = () => take('report', { nowait: true })

  test('at commit', async () => {
    await (await hold('report')).commit()
    await isFree()
  })

  test('at rollback', async () => {
    await (await hold('report')).rollback()
    await isFree()
  })

  test('when its session is killed', async () => {
    const holder = await hold('report')
    await database.sql`SELECT pg_terminate_backend(${holder.pid}, 5000)`
    await isFree()
    await holder.rollback()
  })

  test('when a nested transaction that took it rolls back', async () => {
    await prisma.$transaction(async (tx) => {
      const nested = tx.$transaction(async (inner) => {
        await inner.$advisoryLock('report')
        throw new Error('roll back')
      })
      await expect(nested).rejects.toThrow('roll back')
      await isFree()
    })
  })

  test('but not before: a second call of the same session is granted at once', async () => {
    await prisma.$transaction(async (tx) => {
      await tx.$advisoryLock('report')
      await tx.$advisoryLock('report', { nowait: true })
      await expectRejection(isFree(), LockNotAvailableError)
    })
  })
})

describe('with nowait', () => {
  test('a refusal names the key and the holder, and leaves the transaction usable', async () => {
    const holder = await hold(['report', 7n])
    const result = await prisma.$transaction(async (tx) => {
      const error = await expectRejection(tx.$advisoryLock(['report', 7n], { nowait: true }), LockNotAvailableError, {
        code: 'LOCK_NOT_AVAILABLE',
        key: ['report', 7n],
      })
      expect(error.blockers?.map(({ pid }) => pid)).toEqual([holder.pid])
      expect(error.message).toContain('"report"')
      expect(error.model).toBeUndefined()
      await tx.$advisoryLock('another', { nowait: true })
      return tx.company.create({ data: { name: 'kept' } })
    })
    await holder.commit()
    expect(await prisma.company.count({ where: { id: result.id } })).toBe(1)
  })
})

describe('with a timeout', () => {
  test('the wait ends as a LockTimeoutError that names the key and the holder', async () => {
    const holder = await hold(-42)
    const error = await expectRejection(take(-42, { timeout: 30 }), LockTimeoutError, { code: 'LOCK_TIMEOUT', sqlState: '55P03', key: -42 })
    expect(error.blockers?.map(({ pid }) => pid)).toEqual([holder.pid])
    expect(error.message).toContain('advisory lock -42')
    await holder.commit()
  })

  test('the transaction’s lockTimeout ends the wait as well', async () => {
    const holder = await hold('report')
    const run = prisma.$transactionWithRetry((tx) => tx.$advisoryLock('report'), { lockTimeout: 30 })
    const error = await expectRejection(run, LockTimeoutError, { key: 'report' })
    expect(error.blockers?.map(({ pid }) => pid)).toEqual([holder.pid])
    await holder.commit()
  })

  test('the lock is granted when it comes in time', async () => {
    const holder = await hold('report')
    const second = take('report', { timeout: 20_000 })
    await waitUntilSessionsBlocked(database.sql, 1)
    await holder.commit()
    await second
  })
})

describe('the key', () => {
  test.each([42, 42n, -1, 0, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER, -(2n ** 63n), 2n ** 63n - 1n])(
    '%s is the number that other programs lock',
    async (key) => {
      await database.sql.begin(async (sql) => {
        await sql`SELECT pg_advisory_xact_lock(${String(key)}::text::bigint)`
        await expectRejection(take(key, { nowait: true }), LockNotAvailableError)
      })
      await take(key, { nowait: true })
    },
  )

  test('of a string or tuple is the number that advisoryLockKey tells', async () => {
    for (const key of ['report', '', ['report', 1], [1n]] as const) {
      await database.sql.begin(async (sql) => {
        await sql`SELECT pg_advisory_xact_lock(${String(advisoryLockKey(key))}::text::bigint)`
        await expectRejection(take(key, { nowait: true }), LockNotAvailableError)
      })
    }
  })

  test('is not the pair of two 32-bit numbers that PostgreSQL keeps apart', async () => {
    await database.sql.begin(async (sql) => {
      await sql`SELECT pg_advisory_xact_lock(0, 42)`
      await take(42, { nowait: true })
    })
  })
})

test('outside a transaction the lock is refused and nothing is sent', async () => {
  await expectRejection(prisma.$advisoryLock('report'), LockOutsideTransactionError, { code: 'LOCK_OUTSIDE_TRANSACTION', key: 'report' })
  expect(await locks()).toEqual([])
})

test('20 callers of one key run one after another, and without it at once', async () => {
  let inside = 0
  const most = async (lock: boolean) => {
    let max = 0
    const run = () =>
      prisma.$transactionWithRetry(
        async (tx) => {
          if (lock) await tx.$advisoryLock('one at a time')
          max = Math.max(max, ++inside)
          await tx.$queryRaw`SELECT pg_sleep(0.005)::text`
          inside--
        },
        { maxWait: 20_000, timeout: 20_000 },
      )
    await Promise.all(Array.from({ length: 20 }, run))
    return max
  }
  expect(await most(true)).toBe(1)
  expect(await most(false)).toBeGreaterThan(1)
})
