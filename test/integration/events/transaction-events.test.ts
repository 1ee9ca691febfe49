import { DeadlockError, type RowLockEvent, type TransactionClientOf } from 'rowlock'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase, waitUntil } from '../../support/database.js'
import { held } from '../../support/held.js'
import { RecordedEvents } from '../../support/recorded-events.js'
import { rejectionOf, useRejectionCheck } from '../../support/rejections.js'
import { withResolvers } from '../../support/with-resolvers.js'

const database = useDatabase()
useRejectionCheck()

const events = new RecordedEvents()
let prisma: TestClient
let id: number

beforeAll(() => {
  prisma = createClient(database, { options: { onEvent: events.onEvent } }).prisma
})

beforeEach(async () => {
  id = (await prisma.company.create({ data: { name: `company ${Math.random()}` } })).id
  events.clear()
})

const failing =
  (times: number) =>
  async (_: unknown, { attempt }: { attempt: number }) =>
    attempt <= times ? Promise.reject(new DeadlockError('as if')) : Promise.resolve(attempt)

describe('a transaction of $transactionWithRetry', () => {
  test('is told of when it is committed', async () => {
    await prisma.$transactionWithRetry((tx) => tx.company.count())
    expect(events.all).toEqual([
      {
        type: 'transaction.committed',
        at: expect.any(Date),
        label: undefined,
        attempts: 1,
        duration: expect.any(Number),
        queued: expect.any(Number),
      },
    ])
  })

  test('is told of each time when it is run again, by PostgreSQL\u2019s word or another error', async () => {
    const options = { isolationLevel: 'RepeatableRead', retry: { baseDelay: 4 } } as const
    await prisma.$transactionWithRetry(async (tx, { attempt }) => {
      await tx.company.findUnique({ where: { id } })
      if (attempt <= 2) await database.sql`UPDATE "Company" SET count = count + 1 WHERE id = ${id}`
      await tx.company.update({ where: { id }, data: { count: 0 } })
    }, options)
    expect(events.all).toMatchObject([
      { type: 'transaction.retried', attempt: 1, error: { code: 'SERIALIZATION_FAILURE', sqlState: '40001' } },
      { type: 'transaction.retried', attempt: 2 },
      { type: 'transaction.committed', attempts: 3 },
    ])
    const [first] = events.of('transaction.retried')
    expect(first!.delay).toBeGreaterThanOrEqual(0)
    expect(first!.delay).toBeLessThan(4)
  })

  test('is told of neither as run again nor as committed when it is given up', async () => {
    await rejectionOf(prisma.$transactionWithRetry(failing(9), { retry: { attempts: 2, baseDelay: 1 } }))
    expect(events.types).toEqual(['transaction.retried'])
    events.clear()
    const refuse = () => {
      throw new Error('no more')
    }
    await rejectionOf(prisma.$transactionWithRetry(failing(9), { onRetry: refuse }))
    expect(events.all).toEqual([])
  })
})

describe('a gate', () => {
  test('tells of those who have to queue, in their order, and not of who goes straight through', async () => {
    const first = withResolvers<undefined>()
    const gate = { key: ['event', id], width: 1 } as const
    const running = prisma.$transactionWithRetry(
      async (tx) => {
        await tx.company.count()
        await first.promise
      },
      { gate },
    )
    const queued = [1, 2].map(() => prisma.$transactionWithRetry((tx) => tx.company.count(), { gate }))
    expect(events.all).toMatchObject([
      { type: 'gate.queued', key: ['event', id], position: 1 },
      { type: 'gate.queued', key: ['event', id], position: 2 },
    ])
    await database.sql`SELECT pg_sleep(0.03)`
    first.resolve(undefined)
    await Promise.all([running, ...queued])
    const committed = events.of('transaction.committed')
    expect(committed[0]!.queued).toBeLessThan(30)
    expect(committed[1]!.queued).toBeGreaterThan(25)
    expect(committed[1]!.duration).toBeGreaterThan(committed[1]!.queued)
  })

  test('of withLock is told by the model and the where', async () => {
    const holder = await held(createClient(database, { poolSize: 1 }).prisma, (tx) =>
      tx.company.findUnique({ where: { id }, lock: 'forUpdate' }),
    )
    const lock = () => prisma.company.withLock({ where: { id } }, async () => undefined, { gate: { width: 1 } })
    const taking = [lock(), lock()]
    await events.first('gate.queued', database.sql)
    await holder.rollback()
    await Promise.all(taking)
    expect(events.of('gate.queued')).toMatchObject([{ key: ['Company', JSON.stringify({ id: `#${id}` })], position: 1 }])
  })
})

describe('a listener', () => {
  const warnings: Error[] = []
  const note = (warning: Error) => warnings.push(warning)
  afterEach(() => {
    process.off('warning', note)
    warnings.length = 0
  })

  /** Runs a locked transaction with a listener, twice, and returns what the process was warned of meanwhile. */
  async function warningsOf(onEvent: (event: RowLockEvent) => void) {
    process.on('warning', note)
    const client = createClient(database, { poolSize: 1, options: { onEvent } }).prisma
    const work = (tx: TransactionClientOf<TestClient>) => tx.company.findUniqueOrThrow({ where: { id }, lock: 'forUpdate' })
    for (const _ of [1, 2]) expect(await client.$transactionWithRetry(work)).toMatchObject({ id })
    await new Promise(setImmediate)
    return warnings.filter(({ name }) => name === 'RowLockWarning').map(({ message }) => message)
  }

  test('that throws fails no query, and is warned of once', async () => {
    const onEvent = vi.fn(() => {
      throw new Error('a broken listener')
    })
    expect(await warningsOf(onEvent)).toEqual([expect.stringContaining('a broken listener')])
    expect(onEvent).toHaveBeenCalledTimes(6)
  })

  test('that rejects fails no query, and is warned of once', async () => {
    expect(await warningsOf(() => Promise.reject(new Error('a broken promise')) as never)).toEqual([
      expect.stringContaining('a broken promise'),
    ])
  })

  test('that throws what cannot be read fails no query', async () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const onEvent = () => {
      throw proxy
    }
    expect(await warningsOf(onEvent)).toHaveLength(1)
  })

  test('that never settles is not waited for', async () => {
    expect(await warningsOf(() => new Promise(() => undefined) as never)).toEqual([])
  })

  test('that does nothing wrong is not warned of', async () => {
    expect(await warningsOf(() => undefined)).toEqual([])
  })

  test('is told by its own client only', async () => {
    const silent = createClient(database, { poolSize: 1 }).prisma
    await silent.$transactionWithRetry((tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }))
    await waitUntil(
      'the other client is heard',
      async () => (await prisma.$transactionWithRetry((tx) => tx.company.count())) >= 0 || undefined,
    )
    expect(events.types).toEqual(['transaction.committed'])
  })
})
