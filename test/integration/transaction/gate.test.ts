import { AsyncLocalStorage } from 'node:async_hooks'
import type { Pool } from 'pg'
import {
  type AdvisoryLockKey,
  type GateOptions,
  LockNotSupportedError,
  PoolTimeoutError,
  type TransactionOptions,
  TransactionExpiredError,
} from 'rowlock'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { gatesOf } from '../../../src/transaction/gate.js'
import { createClient, type TestClient } from '../../support/client.js'
import { type BlockedSession, useDatabase, waitUntilSessionsBlocked } from '../../support/database.js'
import { held } from '../../support/held.js'
import { expectRejection, rejectionOf, useRejectionCheck } from '../../support/rejections.js'

const database = useDatabase()
useRejectionCheck()

const POOL_SIZE = 10
const CALLERS = 500
// Five statements each, one caller after the other, on a machine that runs other tests as well.
const ALL_OF_THEM = 120_000

let prisma: TestClient
let pool: Pool
let outside: TestClient
let id: number
let otherId: number

beforeAll(() => {
  ;({ prisma, pool } = createClient(database, { poolSize: POOL_SIZE }))
  outside = createClient(database, { poolSize: 1 }).prisma
})

beforeEach(async () => {
  const create = async () => (await prisma.company.create({ data: { name: `company ${Math.random()}` } })).id
  id = await create()
  otherId = await create()
})

afterEach(() => {
  expect(gatesOfClient(prisma).size, 'keys that the gates still know').toBe(0)
})

const gatesOfClient = (client: unknown) => gatesOf((client as { _originalClient: object })._originalClient)
const countOf = async (company = id) => (await prisma.company.findUniqueOrThrow({ where: { id: company } })).count

/** Reads under the lock and writes back what it read plus 1. */
function addOne(company: number, options: Parameters<typeof prisma.company.withLock>[2]) {
  return prisma.company.withLock(
    { where: { id: company } },
    async ({ count }, tx) => {
      await tx.company.update({ where: { id: company }, data: { count: count + 1 } })
    },
    // Whoever waits for a connection is to wait for as long as it takes.
    { maxWait: ALL_OF_THEM, ...options },
  )
}

/** Runs what it is given as if no transaction were around it. */
const outsideScope = AsyncLocalStorage.snapshot()

const connectionsOut = () => pool.totalCount - pool.idleCount

describe(`${CALLERS} callers of a row that a session outside holds`, () => {
  /** Lets them queue, runs `use` while the first of them wait in PostgreSQL, and lets them finish. */
  async function whileCallersQueue(gate: true | undefined, waiting: number, use: (sessions: BlockedSession[]) => Promise<void>) {
    const holder = await held(outside, (tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }))
    const callers = Array.from({ length: CALLERS }, () => addOne(id, { ...(gate && { gate }), timeout: ALL_OF_THEM }))
    const all = Promise.all(callers)
    try {
      const sessions = await waitUntilSessionsBlocked(database.sql, waiting)
      expect(sessions.every(({ blockedBy }) => blockedBy.length > 0 && !blockedBy.includes(0))).toBe(true)
      expect(sessions.flatMap(({ blockedBy }) => blockedBy)).toContain(holder.pid)
      await use(sessions)
    } finally {
      await holder.rollback()
      await all
    }
    expect(await countOf()).toBe(CALLERS)
  }

  test('hold two connections with a gate: others get through, and every caller its turn', { timeout: ALL_OF_THEM }, async () => {
    await whileCallersQueue(true, 2, async (sessions) => {
      // Every other caller waits without a connection and without asking for one.
      expect([connectionsOut(), pool.waitingCount]).toEqual([2, 0])
      expect(await prisma.company.count({ where: { id } })).toBe(1)
      await addOne(otherId, { gate: true })
      expect(await countOf(otherId)).toBe(1)
      expect(await waitUntilSessionsBlocked(database.sql, 2)).toHaveLength(sessions.length)
      expect(sessions).toHaveLength(2)
      expect([connectionsOut(), pool.waitingCount]).toEqual([2, 0])
    })
  })

  test('hold the whole pool without one: nobody else gets through', { timeout: ALL_OF_THEM }, async () => {
    await whileCallersQueue(undefined, POOL_SIZE, async (sessions) => {
      expect(sessions).toHaveLength(POOL_SIZE)
      expect([connectionsOut(), pool.waitingCount]).toEqual([POOL_SIZE, CALLERS - POOL_SIZE])
      await expectRejection(
        prisma.$transactionWithRetry((tx) => tx.company.count(), { maxWait: 50 }),
        PoolTimeoutError,
      )
      await expectRejection(addOne(otherId, { maxWait: 50 }), PoolTimeoutError)
    })
  })
})

/** A caller that waits inside its transaction until it is told to go on, and says when it has come so far. */
function createCaller(options: TransactionOptions, client: Pick<TestClient, '$transactionWithRetry'> = prisma) {
  let enter!: () => void
  let goOn!: () => void
  const entered = new Promise<void>((resolve) => (enter = resolve))
  const told = new Promise<void>((resolve) => (goOn = resolve))
  const caller = { isInside: false, entered, goOn, done: Promise.resolve() }
  caller.done = client.$transactionWithRetry(async () => {
    caller.isInside = true
    enter()
    await told
  }, options)
  caller.done.catch(() => undefined)
  return caller
}

/** A gate that lets one through at a time. */
const one = (key: AdvisoryLockKey): GateOptions => ({ key, width: 1 })

/** A whole transaction, which whoever was called before it and had a connection would have begun by then. */
const passBy = () => prisma.$transactionWithRetry((tx) => tx.company.count(), { gate: 'another key' })

async function expectQueued(caller: { isInside: boolean }): Promise<void> {
  await passBy()
  expect(caller.isInside).toBe(false)
  expect(pool.waitingCount).toBe(0)
}

describe('the gate lets the next one in when the one inside', () => {
  const failure = new Error('no')
  const controller = new AbortController()
  const never = async () => new Promise<never>(() => undefined)
  const ends: [string, (tx: TestClient) => Promise<unknown>, TransactionOptions?][] = [
    ['has committed', (tx) => tx.company.update({ where: { id }, data: { count: 1 } })],
    ['throws, and is rolled back', () => Promise.reject(failure)],
    ['fails in PostgreSQL', (tx) => tx.$executeRaw`SELECT 1 / 0`],
    ['expires', never, { timeout: 50 }],
    ['is aborted', never, { signal: controller.signal }],
    ['loses its connection', (tx) => tx.$executeRaw`SELECT pg_terminate_backend(pg_backend_pid())`, { retry: false }],
  ]
  test.each(ends)('%s', async (_, run, options) => {
    const order: string[] = []
    const first = prisma.$transactionWithRetry(
      async (tx) => {
        await passed
        if (options?.signal) controller.abort()
        return run(tx as unknown as TestClient)
      },
      { gate: one('key'), ...options },
    )
    const next = prisma.$transactionWithRetry(async () => Promise.resolve(void order.push('next')), { gate: one('key') })
    const passed = passBy()
    await first.catch(() => undefined).then(() => order.push('first'))
    await next
    expect(order).toEqual(['first', 'next'])
  })

  test('gets no connection within maxWait', async () => {
    const small = createClient(database, { poolSize: 1 })
    const holder = await held(small.prisma, (tx) => tx.company.count())
    const first = small.prisma.$transactionWithRetry((tx) => tx.company.count(), { gate: one('key'), maxWait: 50 })
    const next = small.prisma.$transactionWithRetry((tx) => tx.company.count(), { gate: one('key'), maxWait: 25_000 })
    await expectRejection(first, PoolTimeoutError)
    await holder.rollback()
    expect(await next).toBeGreaterThan(0)
    expect(gatesOfClient(small.prisma).size).toBe(0)
  })
})

test('who waits at the gate does not use up maxWait and timeout', async () => {
  const first = createCaller({ gate: one('key'), timeout: 25_000 })
  await first.entered
  const next = createCaller({ gate: one('key'), maxWait: 1_000, timeout: 1_000 })
  // Once this one has expired, all the time of the one that waits is over.
  await expectRejection(
    prisma.$transactionWithRetry(() => new Promise(() => undefined), { timeout: 1_100 }),
    TransactionExpiredError,
  )
  expect(next.isInside).toBe(false)
  next.goOn()
  first.goOn()
  await Promise.all([first.done, next.done])
})

describe('an abort at the gate', () => {
  test('ends the wait with its reason, and those behind keep their places', async () => {
    const controller = new AbortController()
    const first = createCaller({ gate: one('key') })
    const aborted = createCaller({ gate: one('key'), signal: controller.signal })
    const next = createCaller({ gate: one('key') })
    await first.entered
    await expectQueued(aborted)
    controller.abort('gone')
    expect(await rejectionOf(aborted.done)).toBe('gone')
    await expectQueued(next)
    first.goOn()
    next.goOn()
    await Promise.all([first.done, next.done])
    expect(aborted.isInside).toBe(false)
  })

  test('before the call takes no place', async () => {
    const late = createCaller({ gate: one('key'), signal: AbortSignal.abort('too late') })
    expect(await rejectionOf(late.done)).toBe('too late')
  })
})

describe('a retry', () => {
  test('gives its place back for the pause, and queues again', async () => {
    const order: string[] = []
    await prisma.$transactionWithRetry(
      async (tx, { attempt }) => {
        order.push(`attempt ${attempt}`)
        if (attempt === 1) await tx.$executeRaw`DO $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '40001'; END $$`
      },
      {
        gate: one('key'),
        // The pause begins when another caller has passed the same gate.
        onRetry: () => prisma.$transactionWithRetry(async () => Promise.resolve(void order.push('another')), { gate: one('key') }),
      },
    )
    expect(order).toEqual(['attempt 1', 'another', 'attempt 2'])
  })

  test('keeps every effect to exactly one', async () => {
    const options = { isolationLevel: 'RepeatableRead', gate: true, retry: { attempts: 1_000 } } as const
    await Promise.all(Array.from({ length: 50 }, () => addOne(id, options)))
    expect(await countOf()).toBe(50)
  })
})

test('callers pass in the order in which they came', async () => {
  const order: number[] = []
  const callers = Array.from({ length: 50 }, (_, index) =>
    prisma.$transactionWithRetry(async () => Promise.resolve(void order.push(index)), { gate: one('key') }),
  )
  await Promise.all(callers)
  expect(order).toEqual(callers.map((_, index) => index))
})

describe('a gate is that of', () => {
  test('one client: another one of the same database passes', async () => {
    const first = createCaller({ gate: one('key') })
    const other = createCaller({ gate: one('key') }, outside)
    await Promise.all([first.entered, other.entered])
    for (const caller of [first, other]) caller.goOn()
    await Promise.all([first.done, other.done])
  })

  test('all that $extends made of the client', async () => {
    const extended = prisma.$extends({ name: 'another' })
    const first = createCaller({ gate: one('key') })
    const next = createCaller({ gate: one('key') }, extended)
    await first.entered
    await expectQueued(next)
    first.goOn()
    next.goOn()
    await Promise.all([first.done, next.done])
  })

  test('$transactionWithRetry and withLock alike, where they name the same key', async () => {
    const first = createCaller({ gate: one(['company', id]) })
    await first.entered
    let isInside = false
    const next = prisma.company.withLock({ where: { id } }, async () => Promise.resolve(void (isInside = true)), { gate: ['company', id] })
    await passBy()
    expect(isInside).toBe(false)
    first.goOn()
    await Promise.all([first.done, next])
    expect(isInside).toBe(true)
  })

  test('one row for gate: true', async () => {
    const first = createCaller({ gate: { key: ['Company', `{"id":"#${id}"}`], width: 1 } })
    await first.entered
    let isInside = false
    const next = prisma.company.withLock({ where: { id } }, async () => Promise.resolve(void (isInside = true)), { gate: true })
    await addOne(otherId, { gate: true })
    expect(isInside).toBe(false)
    first.goOn()
    await Promise.all([first.done, next])
    expect(isInside).toBe(true)
  })
})

describe('inside a transaction', () => {
  const gate = one('key')
  const isRefused = (run: PromiseLike<unknown>) => expectRejection(run, LockNotSupportedError)

  test('another one with the same gate is refused at once instead of waiting for itself', async () => {
    await prisma.$transactionWithRetry(
      async (tx) => {
        await isRefused(prisma.$transactionWithRetry(async () => Promise.resolve(), { gate }))
        await isRefused((tx as unknown as TestClient).$transactionWithRetry(async () => Promise.resolve(), { gate }))
        await isRefused(prisma.company.withLock({ where: { id } }, async () => Promise.resolve(), { gate }))
      },
      { gate },
    )
  })

  test('one that cannot be seen to be inside waits no longer than the timeout of the transaction around it', async () => {
    // As where a library loses the asynchronous context.
    let inner: Promise<unknown> | undefined
    const outer = prisma.$transactionWithRetry(
      async () => {
        inner = outsideScope(() => prisma.$transactionWithRetry(async (tx) => tx.company.count(), { gate }))
        await inner
      },
      { gate, timeout: 100 },
    )
    await expectRejection(outer, TransactionExpiredError)
    expect(await inner).toBeGreaterThan(0)
  })
})
