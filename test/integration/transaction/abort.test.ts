import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { lockable, rowLocks } from 'rowlock'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { createClient, type TestClient } from '../../support/client.js'
import { expectClean, useDatabase, waitUntil, waitUntilSessionsBlocked } from '../../support/database.js'
import { held } from '../../support/held.js'
import { rejectionOf, useRejectionCheck } from '../../support/rejections.js'
import { startTcpProxy } from '../../support/tcp-proxy.js'

const database = useDatabase()
useRejectionCheck()

// Asked for is 100 ms; a machine that runs other tests beside this one may take longer.
const PROMPT = 1_000

let prisma: TestClient
let pool: Pool
let id: number

beforeAll(() => {
  ;({ prisma, pool } = createClient(database))
})

beforeEach(async () => {
  id = (await prisma.company.create({ data: { name: `company ${Math.random()}` } })).id
})

const countOf = async () => (await prisma.company.findUniqueOrThrow({ where: { id } })).count
const reason = () => new Error('the caller went away')

async function whileHeld(use: () => Promise<unknown>): Promise<void> {
  const holder = await held(prisma, async (tx) => {
    await tx.$advisoryLock(id)
    return tx.company.findUnique({ where: { id }, lock: 'forUpdate' })
  })
  try {
    await use()
  } finally {
    await holder.rollback()
  }
}

/** The sessions of the database that wait for a lock right now. */
const waiting = async () => database.sql`SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`

describe('an abort during a lock wait', () => {
  const waits: [string, (tx: TestClient) => PromiseLike<unknown>][] = [
    ['a locked find', (tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' })],
    [
      'a find with a timeout of its own',
      (tx) => tx.company.findUnique({ where: { id }, lock: { strength: 'forUpdate', timeout: 20_000 } }),
    ],
    ['an update', (tx) => tx.company.update({ where: { id }, data: { count: 1 } })],
    ['raw SQL', (tx) => tx.$executeRaw`UPDATE "Company" SET count = 1 WHERE id = ${id}`],
    ['$advisoryLock', (tx) => tx.$advisoryLock(id)],
    ['Promise.all', (tx) => Promise.all([tx.$advisoryLock(id), tx.company.update({ where: { id }, data: { count: 1 } })])],
    ['a nested transaction', (tx) => tx.$transaction((nested) => nested.company.update({ where: { id }, data: { count: 1 } }))],
  ]

  test.each(waits)('of %s ends it at once, in the server too, with the signal’s reason', (_, wait) =>
    whileHeld(async () => {
      const controller = new AbortController()
      const run = rejectionOf(
        prisma.$transactionWithRetry((tx) => Promise.resolve(wait(tx as unknown as TestClient)), { signal: controller.signal }),
      )
      await waitUntilSessionsBlocked(database.sql, 1)

      const why = reason()
      const aborted = performance.now()
      controller.abort(why)
      expect(await run).toBe(why)
      expect(performance.now() - aborted).toBeLessThan(PROMPT)
      expect(await waiting()).toHaveLength(0)
    }),
  )

  test('of withLock ends it at once', () =>
    whileHeld(async () => {
      const controller = new AbortController()
      const run = rejectionOf(prisma.company.withLock({ where: { id } }, async () => Promise.resolve(), { signal: controller.signal }))
      await waitUntilSessionsBlocked(database.sql, 1)
      const why = reason()
      controller.abort(why)
      expect(await run).toBe(why)
      expect(await waiting()).toHaveLength(0)
    }))

  test('leaves a wait alone whose signal was not aborted', () =>
    whileHeld(async () => {
      const others = new AbortController()
      const run = prisma.$transactionWithRetry((tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }), { lockTimeout: 200 })
      const outcome = rejectionOf(run)
      await waitUntilSessionsBlocked(database.sql, 1)
      others.abort()
      expect(await waiting()).toHaveLength(1)
      await expect(outcome).resolves.toMatchObject({ code: 'LOCK_TIMEOUT' })
    }))

  test.each([undefined, null, 'text'])('rejects with the reason %s', (given) =>
    whileHeld(async () => {
      const controller = new AbortController()
      const run = rejectionOf(prisma.$transactionWithRetry((tx) => tx.$advisoryLock(id), { signal: controller.signal }))
      await waitUntilSessionsBlocked(database.sql, 1)
      controller.abort(given)
      expect(await run).toBe(controller.signal.reason)
    }),
  )
})

describe('an abort at another moment', () => {
  test('before the start sends nothing', async () => {
    let ran = false
    const why = reason()
    const run = prisma.$transactionWithRetry(async () => Promise.resolve((ran = true)), { signal: AbortSignal.abort(why) })
    expect(await rejectionOf(run)).toBe(why)
    expect(ran).toBe(false)
  })

  test('while the pool is empty need not wait for a connection, and gives it back when it comes', async () => {
    const small = createClient(database, { poolSize: 1 })
    const holder = await held(small.prisma, (tx) => tx.company.count())
    const controller = new AbortController()
    let ran = false
    const run = rejectionOf(
      small.prisma.$transactionWithRetry(async () => Promise.resolve((ran = true)), { signal: controller.signal, maxWait: 20_000 }),
    )
    await waitUntil('the transaction waits for the pool', async () => {
      await database.sql`SELECT 1`
      return small.pool.waitingCount > 0 || undefined
    })
    const why = reason()
    controller.abort(why)
    expect(await run).toBe(why)

    await holder.commit()
    await expectClean(database.sql, { pools: [small.pool] })
    expect(ran).toBe(false)
    expect(await small.prisma.company.count()).toBeGreaterThan(0)
  })

  test('while fn waits for something else rolls back', async () => {
    const controller = new AbortController()
    const why = reason()
    const run = prisma.$transactionWithRetry(
      async (tx, { signal }) => {
        await tx.company.update({ where: { id }, data: { count: 1 } })
        controller.abort(why)
        expect(signal.aborted).toBe(true)
        expect(signal.reason).toBe(why)
        await new Promise(() => undefined)
      },
      { signal: controller.signal },
    )
    expect(await rejectionOf(run)).toBe(why)
    expect(await countOf()).toBe(0)
  })

  test('in the last moment of fn either commits or rejects, and says which', async () => {
    const controller = new AbortController()
    const run = prisma.$transactionWithRetry(
      async (tx) => {
        await tx.company.update({ where: { id }, data: { count: 1 } })
        queueMicrotask(() => controller.abort(reason()))
        return 'committed'
      },
      { signal: controller.signal },
    )
    const outcome = await run.catch(() => 'rejected')
    expect(await countOf()).toBe(outcome === 'committed' ? 1 : 0)
  })

  test('in the back-off ends the retries', async () => {
    const controller = new AbortController()
    const why = reason()
    let attempts = 0
    const run = prisma.$transactionWithRetry(
      async (tx, { attempt }) => {
        attempts = attempt
        await tx.$executeRaw`DO $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '40001'; END $$`
      },
      {
        signal: controller.signal,
        retry: { baseDelay: 60_000, maxDelay: 60_000, deadline: 600_000 },
        onRetry: () => setImmediate(() => controller.abort(why)) as never,
      },
    )
    expect(await rejectionOf(run)).toBe(why)
    expect(attempts).toBe(1)
  })

  test('in onRetry ends the retries', async () => {
    const controller = new AbortController()
    const why = reason()
    const run = prisma.$transactionWithRetry(
      (tx) => tx.$executeRaw`DO $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '40001'; END $$`,
      {
        signal: controller.signal,
        onRetry: () => controller.abort(why),
      },
    )
    expect(await rejectionOf(run)).toBe(why)
  })

  test('during COMMIT lets the commit win', async () => {
    await database.sql.unsafe(`
      CREATE TABLE IF NOT EXISTS "Gate" (key bigint);
      CREATE OR REPLACE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock(NEW.key); RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON "Gate" DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION wait_at_commit()`)
    const gate = await held(prisma, (tx) => tx.$advisoryLock(id))
    const controller = new AbortController()
    const run = prisma.$transactionWithRetry(
      async (tx) => {
        await tx.$executeRaw`INSERT INTO "Gate" VALUES (${id})`
        await tx.company.update({ where: { id }, data: { count: 1 } })
        return 'committed'
      },
      { signal: controller.signal },
    )
    const [blocked] = await waitUntilSessionsBlocked(database.sql, 1)
    expect(blocked?.query).toBe('COMMIT')
    controller.abort(reason())
    await gate.commit()
    await expect(run).resolves.toBe('committed')
    expect(await countOf()).toBe(1)
  })

  test('after the end changes nothing', async () => {
    const controller = new AbortController()
    await prisma.$transactionWithRetry((tx) => tx.company.update({ where: { id }, data: { count: 1 } }), { signal: controller.signal })
    controller.abort(reason())
    expect(await countOf()).toBe(1)
  })

  test('leaves no listener on a signal that lives on', async () => {
    const { signal } = new AbortController()
    let listeners = 0
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args))
    signal.removeEventListener = (...args: Parameters<typeof remove>) => (listeners--, remove(...args))
    for (let run = 0; run < 3; run++) await prisma.$transactionWithRetry((tx) => tx.company.count(), { signal })
    await rejectionOf(prisma.$transactionWithRetry(() => Promise.reject(reason()), { signal }))
    expect(listeners).toBe(0)
  })
})

test('an adapter that does not tell where the server is cannot cancel, and still does not hold up the caller', () =>
  whileHeld(async () => {
    const hidden = database.watch(new Pool({ connectionString: database.url, max: 1 }))
    const inner = new PrismaPg(hidden)
    const adapter = lockable({ provider: inner.provider, adapterName: inner.adapterName, connect: () => inner.connect() })
    const client = new PrismaClient({ adapter }).$extends(rowLocks())
    const controller = new AbortController()
    const run = rejectionOf(
      client.$transactionWithRetry((tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }), {
        signal: controller.signal,
        lockTimeout: 3_000,
      }),
    )
    await waitUntilSessionsBlocked(database.sql, 1)
    controller.abort('aborted')
    expect(await run).toBe('aborted')
    expect(await waiting()).toHaveLength(1)
  }))

describe('the connection of an aborted transaction', () => {
  test('goes to no other caller while a cancel for it is on its way', async () => {
    // The cancel takes a path of its own to the server, on which it is held up.
    await using proxy = await startTcpProxy(database.url)
    let letCancelPass!: () => void
    const cancelMayPass = new Promise<'pass'>((resolve) => (letCancelPass = () => resolve('pass')))
    proxy.fate = (data) => (data.includes('pg_cancel_backend') ? cancelMayPass : 'pass')
    const single = database.watch(new Pool({ connectionString: database.url, max: 1 }))
    const client = new PrismaClient({ adapter: lockable(new PrismaPg(single), { connection: proxy.url }) }).$extends(rowLocks())

    const gate = await held(prisma, (tx) => tx.$advisoryLock('gate'))
    const holder = await held(prisma, (tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }))
    const controller = new AbortController()
    const aborted = rejectionOf(
      client.$transactionWithRetry((tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }), { signal: controller.signal }),
    )
    const [{ pid }] = (await waitUntilSessionsBlocked(database.sql, 1)) as unknown as [{ pid: number }]
    controller.abort('aborted')
    // The lock is granted after all, while the cancel is under way.
    await holder.commit()
    const next = client.$transaction((tx) => tx.$advisoryLock('gate'), { maxWait: 20_000, timeout: 20_000 })
    next.catch(() => undefined)

    const stateOf = async () =>
      (
        await database.sql<{ state: string }[]>`
          SELECT CASE WHEN wait_event_type = 'Lock' THEN 'taken by the next one' ELSE state END AS state
          FROM pg_sleep(0.01), pg_stat_activity WHERE pid = ${pid}`
      )[0]?.state
    const state = await waitUntil('the statement has ended', async () => {
      const now = await stateOf()
      return now === 'idle in transaction' || now === 'taken by the next one' ? now : undefined
    })
    expect(state).toBe('idle in transaction')
    expect(single.waitingCount).toBe(1)

    letCancelPass()
    expect(await aborted).toBe('aborted')
    await waitUntilSessionsBlocked(database.sql, 1)
    await gate.commit()
    await next
    await client.$disconnect()
  })
})

describe('200 aborts of lock waits', () => {
  test('on a pool of 2 never cancel a statement of the connection’s next user', async () => {
    const small = createClient(database, { poolSize: 2 })
    const bystanders: unknown[] = []
    let done = false
    const standBy = async () => {
      while (!done) {
        const run = small.prisma.$transaction(
          async (tx) => {
            await tx.company.count()
            await tx.$queryRaw`SELECT count(*) FROM generate_series(1, 2000)`
          },
          { maxWait: 20_000, timeout: 20_000 },
        )
        await run.catch((error: unknown) => bystanders.push(error))
      }
    }
    await whileHeld(async () => {
      const standingBy = [standBy(), standBy()]
      for (let round = 0; round < 200; round++) {
        const controller = new AbortController()
        const run = rejectionOf(
          small.prisma.$transactionWithRetry(
            async (tx) => {
              // Aborted now, a little later and much later: before, while and after the server waits.
              if (round % 3 === 0) setImmediate(() => controller.abort('aborted'))
              if (round % 3 === 1) setTimeout(() => controller.abort('aborted'), round % 5)
              if (round % 3 === 2)
                waitUntilSessionsBlocked(database.sql, 1).then(() => controller.abort('aborted'), bystanders.push.bind(bystanders))
              await tx.company.findUnique({ where: { id }, lock: 'forUpdate' })
            },
            { signal: controller.signal, maxWait: 20_000 },
          ),
        )
        expect(await run).toBe('aborted')
      }
      done = true
      await Promise.all(standingBy)
    })
    expect(bystanders).toEqual([])
    expect(small.pool.idleCount).toBe(small.pool.totalCount)
    expect(pool.idleCount).toBe(pool.totalCount)
  })
})
