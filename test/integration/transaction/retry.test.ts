import { DeadlockError, LockTimeoutError, type RetryEvent, RetryExhaustedError, SerializationError } from 'rowlock'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase } from '../../support/database.js'
import { createBarrier } from '../../support/deadlock.js'
import { held } from '../../support/held.js'
import { expectRejection, rejectionOf, useRejectionCheck } from '../../support/rejections.js'

const database = useDatabase()
useRejectionCheck()

let prisma: TestClient
let a: number
let b: number

beforeAll(() => {
  prisma = createClient(database).prisma
})

beforeEach(async () => {
  const create = async (name: string) => (await prisma.company.create({ data: { name: `${name} ${Math.random()}` } })).id
  a = await create('a')
  b = await create('b')
})

const countOf = async (id: number) => (await prisma.company.findUniqueOrThrow({ where: { id } })).count

/** Two transactions that add 1 to the same two rows in opposite order and are sure to collide once. */
function addInOppositeOrder(retry: false | undefined, onRetry?: (event: RetryEvent) => void) {
  const bothHoldOne = createBarrier(2)
  const add = (first: number, second: number) =>
    prisma.$transactionWithRetry(
      async (tx, { attempt }) => {
        await tx.$executeRaw`SET LOCAL deadlock_timeout = '10ms'`
        await tx.company.update({ where: { id: first }, data: { count: { increment: 1 } } })
        if (attempt === 1) await bothHoldOne()
        await tx.company.update({ where: { id: second }, data: { count: { increment: 1 } } })
        return attempt
      },
      { ...(retry === false && { retry }), ...(onRetry && { onRetry }) },
    )
  return Promise.allSettled([add(a, b), add(b, a)])
}

describe('a deadlock', () => {
  test('is run again to success, and both effects happen exactly once', async () => {
    const events: RetryEvent[] = []
    const results = await addInOppositeOrder(undefined, (event) => events.push(event))

    expect(results.map((result) => result.status === 'fulfilled' && result.value).sort()).toEqual([1, 2])
    expect(events).toMatchObject([{ attempt: 1, delay: expect.any(Number) as number }])
    expect(events[0]!.error).toBeInstanceOf(DeadlockError)
    expect([await countOf(a), await countOf(b)]).toEqual([2, 2])
  })

  test('costs one of the two its effect without a retry', async () => {
    const results = await addInOppositeOrder(false)
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1)
    expect([await countOf(a), await countOf(b)]).toEqual([1, 1])
  })
})

describe('a serialization failure', () => {
  const options = { isolationLevel: 'RepeatableRead' } as const
  /** Reads, lets another transaction change the row in the first attempts, and writes what it read plus 1. */
  const addToWhatWasRead = (disturbed: number, more: object) =>
    prisma.$transactionWithRetry(
      async (tx, { attempt }) => {
        const { count } = await tx.company.findUniqueOrThrow({ where: { id: a } })
        if (attempt <= disturbed) await database.sql`UPDATE "Company" SET count = count + 10 WHERE id = ${a}`
        await tx.company.update({ where: { id: a }, data: { count: count + 1 } })
        return attempt
      },
      { ...options, ...more },
    )

  test('is run again from fresh data until it succeeds', async () => {
    await expect(addToWhatWasRead(3, {})).resolves.toBe(4)
    expect(await countOf(a)).toBe(31)
  })

  test('loses the other update without the isolation level that detects it', async () => {
    await expect(addToWhatWasRead(3, { isolationLevel: 'ReadCommitted' })).resolves.toBe(1)
    expect(await countOf(a)).toBe(1)
  })

  test('is thrown as it is with retry: false', async () => {
    await expectRejection(addToWhatWasRead(1, { retry: false }), SerializationError)
    expect(await countOf(a)).toBe(10)
  })

  test('is thrown as it is when retry.on does not name it', async () => {
    await expectRejection(addToWhatWasRead(1, { retry: { on: ['DEADLOCK'] } }), SerializationError)
  })

  test('uses up its attempts', async () => {
    await expectRejection(addToWhatWasRead(9, { retry: { attempts: 2, baseDelay: 0 } }), RetryExhaustedError, { attempts: 2 })
    expect(await countOf(a)).toBe(20)
  })

  test('that fn swallows is run again all the same', async () => {
    const run = prisma.$transactionWithRetry(async (tx, { attempt }) => {
      await tx.company.count()
      if (attempt === 1) await database.sql`UPDATE "Company" SET count = 10 WHERE id = ${a}`
      await tx.company.update({ where: { id: a }, data: { count: 1 } }).catch(() => undefined)
      return attempt
    }, options)
    await expect(run).resolves.toBe(2)
    expect(await countOf(a)).toBe(1)
  })
})

test('a serialization failure at COMMIT is run again to success', async () => {
  const sum = (tx: Pick<TestClient, 'company'>) =>
    tx.company.aggregate({ where: { id: { in: [a, b] } }, _sum: { count: true } }).then(({ _sum }) => _sum.count ?? 0)
  const run = prisma.$transactionWithRetry(
    async (tx, { attempt }) => {
      const before = await sum(tx)
      await tx.company.update({ where: { id: a }, data: { count: before + 1 } })
      if (attempt === 1) {
        await prisma.$transaction(
          async (other) => {
            await other.company.update({ where: { id: b }, data: { count: (await sum(other)) + 1 } })
          },
          { isolationLevel: 'Serializable' },
        )
      }
      return attempt
    },
    { isolationLevel: 'Serializable' },
  )
  await expect(run).resolves.toBe(2)
  expect([await countOf(a), await countOf(b)]).toEqual([2, 1])
})

test.each(['ReadUncommitted', 'ReadCommitted', 'RepeatableRead', 'Serializable'] as const)(
  'isolationLevel %s is what PostgreSQL runs',
  async (isolationLevel) => {
    const [level] = await prisma.$transactionWithRetry(
      (tx) => tx.$queryRaw<[{ level: string }]>`SELECT current_setting('transaction_isolation') AS level`,
      {
        isolationLevel,
      },
    )
    expect(level.level.replace(' ', '')).toBe(isolationLevel.toLowerCase())
  },
)

describe('retry.on', () => {
  const lockWhileHeld = async (on: ('LOCK_TIMEOUT' | 'DEADLOCK')[]) => {
    const holder = await held(prisma, (tx) => tx.company.findUnique({ where: { id: a }, lock: 'forUpdate' }))
    const released: Promise<void>[] = []
    const run = prisma.$transactionWithRetry(
      (tx, { attempt }) => tx.company.findUnique({ where: { id: a }, lock: 'forUpdate' }).then(() => attempt),
      {
        lockTimeout: 50,
        retry: { on, baseDelay: 0 },
        onRetry: () => void released.push(holder.rollback()),
      },
    )
    return run.finally(() => Promise.all([...released, holder.rollback()]))
  }

  test('makes a lock timeout run again', async () => {
    await expect(lockWhileHeld(['LOCK_TIMEOUT'])).resolves.toBe(2)
  })

  test('without it a lock timeout is thrown', async () => {
    await expectRejection(lockWhileHeld(['DEADLOCK']), LockTimeoutError)
  })
})

describe('an error of fn’s own', () => {
  test('is thrown as it is, once, and rolled back', async () => {
    const failure = new Error('out of stock')
    let runs = 0
    const run = prisma.$transactionWithRetry(async (tx) => {
      runs++
      await tx.company.update({ where: { id: a }, data: { count: 5 } })
      throw failure
    })
    expect(await rejectionOf(run)).toBe(failure)
    expect(runs).toBe(1)
    expect(await countOf(a)).toBe(0)
  })

  test.each([
    ['a socket of fn’s own', Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', errno: -104, syscall: 'read' })],
    ['another database', new Error('Connection terminated unexpectedly')],
    ['a class with a code of its own', Object.assign(new Error('modem'), { code: 'CONNECTION_LOST' })],
    ['another transaction manager', Object.assign(new Error('Transaction API error'), { code: 'P2028' })],
  ])('about %s is not mistaken for this transaction’s', async (_, failure) => {
    let runs = 0
    const run = prisma.$transactionWithRetry(async (tx) => {
      runs++
      await tx.company.count()
      throw failure
    })
    expect(await rejectionOf(run)).toBe(failure)
    expect(runs).toBe(1)
  })

  test.each([undefined, null, 0, 'text'])('may be %s', async (reason) => {
    expect(
      await rejectionOf(
        prisma.$transactionWithRetry(async () => {
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
          await Promise.reject(reason)
        }),
      ),
    ).toBe(reason)
  })
})

describe('an error that fn swallows', () => {
  const fail = (tx: TestClient) => tx.company.create({ data: { id: a, name: 'again' } }).catch(() => undefined)

  test('is reported, as the COMMIT of an aborted transaction keeps nothing', async () => {
    const run = prisma.$transactionWithRetry(async (tx) => {
      await tx.company.update({ where: { id: b }, data: { count: 5 } })
      await fail(tx as unknown as TestClient)
      return 'kept'
    })
    await expect(run).rejects.toMatchObject({ cause: { originalCode: '23505' } })
    expect(await countOf(b)).toBe(0)
  })

  test('is fine when a nested transaction was rolled back to its savepoint', async () => {
    const run = prisma.$transactionWithRetry(async (tx) => {
      await tx.company.update({ where: { id: b }, data: { count: 5 } })
      await tx.$transaction((nested) => nested.company.create({ data: { id: a, name: 'again' } })).catch(() => undefined)
      return 'kept'
    })
    await expect(run).resolves.toBe('kept')
    expect(await countOf(b)).toBe(5)
  })

  test('is fine when raw SQL has rolled it back to a savepoint', async () => {
    const run = prisma.$transactionWithRetry(async (tx) => {
      await tx.company.update({ where: { id: b }, data: { count: 5 } })
      await tx.$executeRaw`SAVEPOINT before`
      await fail(tx as unknown as TestClient)
      await tx.$executeRaw`ROLLBACK TO SAVEPOINT before`
      return 'kept'
    })
    await expect(run).resolves.toBe('kept')
    expect(await countOf(b)).toBe(5)
  })

  test('is reported when it is not the first one', async () => {
    const run = prisma.$transactionWithRetry(async (tx) => {
      await tx.$transaction((nested) => nested.company.create({ data: { id: a, name: 'again' } })).catch(() => undefined)
      await tx.company.update({ where: { id: b }, data: { count: 5 } })
      await Promise.allSettled([fail(tx as unknown as TestClient), tx.company.count()])
    })
    await expect(run).rejects.toMatchObject({ cause: { originalCode: '23505' } })
    expect(await countOf(b)).toBe(0)
  })
})

describe('onRetry', () => {
  const alwaysFail = (onRetry: (event: RetryEvent) => void | Promise<void>) =>
    prisma.$transactionWithRetry((tx) => tx.$executeRaw`DO $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '40001'; END $$`, {
      onRetry,
      retry: { baseDelay: 0 },
    })

  test('is told every failed attempt but the last', async () => {
    const attempts: number[] = []
    await expectRejection(
      alwaysFail(({ attempt }) => void attempts.push(attempt)),
      RetryExhaustedError,
    )
    expect(attempts).toEqual([1, 2, 3, 4])
  })

  test('ends the retries with what it throws', async () => {
    const enough = new Error('enough')
    expect(
      await rejectionOf(
        alwaysFail(() => {
          throw enough
        }),
      ),
    ).toBe(enough)
  })

  test('ends the retries with what it rejects with', async () => {
    const enough = new Error('enough')
    expect(await rejectionOf(alwaysFail(() => Promise.reject(enough)))).toBe(enough)
  })
})

test('statements of one Promise.all share the transaction, its limits and its fate', async () => {
  const both = (fail: boolean) =>
    prisma.$transactionWithRetry((tx) =>
      Promise.all([
        tx.company.update({ where: { id: a }, data: { count: { increment: 1 } } }),
        tx.company.findUnique({ where: { id: b }, lock: 'forUpdate' }),
        tx.$queryRaw`SELECT current_setting('lock_timeout')`,
        tx.company.create({ data: fail ? { id: a, name: 'again' } : { name: `new ${Math.random()}` } }),
      ]),
    )
  await expect(both(false)).resolves.toMatchObject([{ count: 1 }, { id: b }, [{ current_setting: '4750ms' }], {}])
  await expect(both(true)).rejects.toMatchObject({ code: 'P2002' })
  expect(await countOf(a)).toBe(1)
})

test('50 transactions of one tick each commit once, and each in its own session', async () => {
  const runs = Array.from({ length: 50 }, () =>
    prisma.$transactionWithRetry(
      async (tx) => {
        const { id } = await tx.company.findUniqueOrThrow({ where: { id: a }, lock: 'forNoKeyUpdate' })
        const { count } = await tx.company.findUniqueOrThrow({ where: { id } })
        return (await tx.company.update({ where: { id }, data: { count: count + 1 } })).count
      },
      { maxWait: 20_000, timeout: 20_000 },
    ),
  )
  const counts = await Promise.all(runs)
  expect(counts.sort((x, y) => x - y)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1))
  expect(await countOf(a)).toBe(50)
})
