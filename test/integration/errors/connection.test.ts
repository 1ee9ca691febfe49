import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import {
  AmbiguousCommitError,
  ConnectionLostError,
  lockable,
  ReadOnlyError,
  RetryExhaustedError,
  rowLocks,
  TransactionExpiredError,
  type TransactionClientOf,
} from 'rowlock'
import { incrementCount } from 'rowlock/repositories'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase, waitUntilSessionsBlocked } from '../../support/database.js'
import { held } from '../../support/held.js'
import { expectRejection, rejectionOf, useRejectionCheck } from '../../support/rejections.js'
import { type Fate, startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.js'

type Tx = TransactionClientOf<TestClient>

const database = useDatabase()
useRejectionCheck()

let prisma: TestClient
let id: number

beforeAll(() => {
  prisma = createClient(database).prisma
})

beforeEach(async () => {
  ;[{ id }] = await database.sql<[{ id: number }]>`INSERT INTO "Company" (name) VALUES (${`company ${Math.random()}`}) RETURNING id`
})

const once = { retry: false } as const
const countOf = async () => (await database.sql<[{ count: number }]>`SELECT count FROM "Company" WHERE id = ${id}`)[0].count

async function pidOf(tx: Tx): Promise<number> {
  const [{ pid }] = await tx.$queryRaw<[{ pid: number }]>`SELECT pg_backend_pid() AS pid`
  return pid
}

/** Returns when the session is gone. */
async function terminate(pid: number): Promise<void> {
  await database.sql`SELECT pg_terminate_backend(${pid}, 5000)`
}

const QUERIES: [string, (tx: Tx) => Promise<unknown>][] = [
  ['a locked find', async (tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' })],
  ['an update', async (tx) => tx.company.update({ where: { id }, data: { count: 1 } })],
  ['$queryRaw', async (tx) => tx.$queryRaw`SELECT id FROM "Company" WHERE id = ${id} FOR UPDATE`],
  ['$queryRawUnsafe', async (tx) => tx.$queryRawUnsafe('SELECT id FROM "Company" WHERE id = $1 FOR UPDATE', id)],
  ['$executeRaw', async (tx) => tx.$executeRaw`UPDATE "Company" SET count = 1 WHERE id = ${id}`],
  ['an advisory lock', (tx) => tx.$advisoryLock(id)],
  ['a nested transaction', (tx) => tx.$transaction((nested) => nested.company.update({ where: { id }, data: { count: 1 } }))],
]

describe('a session that the server ends', () => {
  test.each(QUERIES)('during %s is a ConnectionLostError', async (_, query) => {
    const holder = await held(prisma, async (tx) => {
      await tx.$advisoryLock(id)
      return tx.company.findUnique({ where: { id }, lock: 'forUpdate' })
    })
    const run = expectRejection(prisma.$transactionWithRetry(query, once), ConnectionLostError, {
      code: 'CONNECTION_LOST',
      sqlState: '57P01',
      retryable: true,
      cause: expect.any(Error) as Error,
    })
    const [blocked] = await waitUntilSessionsBlocked(database.sql, 1)
    await terminate(blocked!.pid)
    await run
    await holder.rollback()
  })

  test.each(QUERIES)('before %s is a ConnectionLostError', async (_, query) => {
    const run = async (tx: Tx) => {
      await terminate(await pidOf(tx))
      await query(tx)
    }
    await expectRejection(prisma.$transactionWithRetry(run, once), ConnectionLostError, { cause: expect.any(Error) as Error })
    expect(await countOf()).toBe(0)
  })

  test.each(QUERIES.slice(0, -1))('before %s of a plain transaction is a ConnectionLostError', async (_, query) => {
    const run = prisma.$transaction(async (tx) => {
      await terminate(await pidOf(tx))
      await query(tx)
    })
    await expectRejection(run, ConnectionLostError)
  })

  test('before COMMIT is a ConnectionLostError, as nothing was sent', async () => {
    const run = async (tx: Tx) => {
      await tx.company.update({ where: { id }, data: { count: 1 } })
      await terminate(await pidOf(tx))
    }
    await expectRejection(prisma.$transactionWithRetry(run, once), ConnectionLostError)
    await expectRejection(prisma.$transaction(run), ConnectionLostError)
    expect(await countOf()).toBe(0)
  })

  test('in a batch before its COMMIT is a ConnectionLostError', async () => {
    const batch = [
      prisma.company.update({ where: { id }, data: { count: 1 } }),
      prisma.$executeRaw`SELECT pg_terminate_backend(pg_backend_pid())`,
    ] as const
    await expectRejection(prisma.$transaction([...batch]), ConnectionLostError)
    expect(await countOf()).toBe(0)
  })

  test('for being idle in the transaction is a ConnectionLostError', async () => {
    const run = prisma.$transactionWithRetry(async (tx) => {
      const pid = await pidOf(tx)
      await tx.$executeRaw`SET LOCAL idle_in_transaction_session_timeout = '20ms'`
      await gone(pid)
      await tx.company.update({ where: { id }, data: { count: 1 } })
    }, once)
    await expectRejection(run, ConnectionLostError)
    expect(await countOf()).toBe(0)
  })

  test('is survived by running the transaction again', async () => {
    const attempts: number[] = []
    const run = prisma.$transactionWithRetry(async (tx, { attempt }) => {
      attempts.push(attempt)
      await tx.company.update({ where: { id }, data: { count: { increment: 1 } } })
      if (attempt === 1) await terminate(await pidOf(tx))
      return tx.company.findUniqueOrThrow({ where: { id } })
    })
    await expect(run).resolves.toMatchObject({ count: 1 })
    expect(attempts).toEqual([1, 2])
    expect(await countOf()).toBe(1)
  })

  async function gone(pid: number): Promise<void> {
    for (;;) {
      const sessions = await database.sql`SELECT pid FROM pg_stat_activity, pg_sleep(0.002) WHERE pid = ${pid}`
      if (sessions.length === 0) return
    }
  }
})

describe('a call outside a transaction that loses its connection', () => {
  const whileBlocked = async (call: () => PromiseLike<unknown>): Promise<unknown> => {
    const holder = await held(prisma, (tx) => tx.$executeRaw`LOCK TABLE "Company" IN ACCESS EXCLUSIVE MODE`)
    const reason = rejectionOf(call())
    const [blocked] = await waitUntilSessionsBlocked(database.sql, 1)
    await terminate(blocked!.pid)
    await holder.rollback()
    return reason
  }

  const writes: [string, () => PromiseLike<unknown>][] = [
    ['update', () => prisma.company.update({ where: { id }, data: { count: 1 } })],
    ['create', () => prisma.company.create({ data: { name: `new ${id}` } })],
    ['$executeRaw', () => prisma.$executeRaw`UPDATE "Company" SET count = 1 WHERE id = ${id}`],
    ['$queryRaw', () => prisma.$queryRaw`SELECT count FROM "Company"`],
  ]

  test.each(writes)('is ambiguous in %s, which may have committed', async (_, call) => {
    const error = await whileBlocked(call)
    await expectRejection(Promise.reject(error as Error), AmbiguousCommitError, {
      sqlState: '57P01',
      retryable: false,
      cause: expect.any(Error) as Error,
    })
  })

  test.each([
    ['findMany', () => prisma.company.findMany()],
    ['count', () => prisma.company.count()],
    ['aggregate', () => prisma.company.aggregate({ _sum: { count: true } })],
  ] as [string, () => PromiseLike<unknown>][])('is merely lost in %s, which changes nothing', async (_, call) => {
    const error = await whileBlocked(call)
    await expectRejection(Promise.reject(error as Error), ConnectionLostError, { sqlState: '57P01', retryable: true })
  })
})

describe('a COMMIT whose answer is lost', () => {
  const throughProxy = async (fate: Fate, use: (client: TestClient, proxy: TcpProxy) => Promise<void>) => {
    await using proxy = await startTcpProxy(database.url)
    proxy.fate = (data) => (data.includes('COMMIT') ? fate : 'pass')
    const pool = database.watch(new Pool({ connectionString: proxy.url, max: 2 }))
    pool.on('error', () => undefined)
    const adapter = lockable(new PrismaPg(pool), { connection: database.url })
    await use(new PrismaClient({ adapter }).$extends(rowLocks()), proxy)
    await pool.end()
  }
  const update = (client: { company: TestClient['company'] }) => client.company.update({ where: { id }, data: { count: { increment: 1 } } })

  const transactions: [string, (client: TestClient) => Promise<unknown>][] = [
    ['$transactionWithRetry', (client) => client.$transactionWithRetry((tx) => update(tx as unknown as TestClient))],
    ['withLock', (client) => client.company.withLock({ where: { id } }, (_, tx) => update(tx as unknown as TestClient))],
    ['$transaction', (client) => client.$transaction((tx) => update(tx as TestClient))],
    ['a batch', (client) => client.$transaction([update(client), client.company.count()])],
  ]
  const fields = { code: 'AMBIGUOUS_COMMIT', retryable: false, cause: expect.any(Error) as Error }

  test.each(transactions)('is ambiguous in %s, and was committed exactly once', (_, run) =>
    throughProxy('deliver and cut', async (client) => {
      await expectRejection(run(client), AmbiguousCommitError, fields)
      // The server may still be committing; its row lock goes with its transaction.
      await database.sql`SELECT id FROM "Company" WHERE id = ${id} FOR UPDATE`
      expect(await countOf()).toBe(1)
    }),
  )

  test.each(transactions)('is ambiguous in %s also when the server never got it', (_, run) =>
    throughProxy('cut', async (client) => {
      await expectRejection(run(client), AmbiguousCommitError, fields)
      await database.sql`SELECT id FROM "Company" WHERE id = ${id} FOR UPDATE`
      expect(await countOf()).toBe(0)
    }),
  )

  test.each(transactions)('is no error in %s when the answer comes', (_, run) =>
    throughProxy('pass', async (client) => {
      await run(client)
      expect(await countOf()).toBe(1)
    }),
  )

  test('is ambiguous when the server ends the session while it commits', async () => {
    await database.sql`CREATE TABLE "Fatal" (id int)`
    await database.sql.unsafe(`
      CREATE FUNCTION end_session() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER fatal AFTER INSERT ON "Fatal" DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION end_session()`)
    const insert = (tx: { $executeRaw: TestClient['$executeRaw'] }) => tx.$executeRaw`INSERT INTO "Fatal" VALUES (1)`
    const runs: ((client: TestClient) => PromiseLike<unknown>)[] = [
      (client) => client.$transactionWithRetry(insert),
      (client) => client.$transaction(insert),
      (client) => client.$transaction([client.company.count(), insert(client)]),
      insert,
    ]
    // A client each: a pool may hand out a connection once more before it notices that it is dead.
    for (const run of runs) await expectRejection(run(createClient(database).prisma), AmbiguousCommitError, { sqlState: '57P01' })
  })

  test('is ambiguous when the network goes silent, soon after the deadline', () =>
    throughProxy('swallow', async (client, proxy) => {
      // COMMIT must be sent before the deadline, and to connect may take longer than all the rest.
      await client.$queryRaw`SELECT 1`
      const run = client.$transactionWithRetry((tx) => update(tx as unknown as TestClient), { timeout: 500 })
      await expectRejection(run, AmbiguousCommitError, { code: 'AMBIGUOUS_COMMIT' })
      await proxy[Symbol.asyncDispose]()
    }))

  test('is ambiguous in a write that Prisma wraps in a transaction of its own', () =>
    throughProxy('deliver and cut', async (client) => {
      const name = `with a wallet ${id}`
      const create = client.user.create({ data: { name, wallet: { create: {} } } })
      await expectRejection(create, AmbiguousCommitError, { model: 'User' })
    }))

  test('does not hold up a caller whose transaction has expired on a silent network', () =>
    throughProxy('swallow', async (client, proxy) => {
      proxy.fate = (data) => (data.includes('ROLLBACK') ? 'swallow' : 'pass')
      const run = client.$transactionWithRetry(() => new Promise(() => undefined), { timeout: 50 })
      await expectRejection(run, TransactionExpiredError)
      await proxy[Symbol.asyncDispose]()
    }))
})

describe('a server that has gone silent', () => {
  const throughSilence = async (use: (client: TestClient, proxy: TcpProxy) => Promise<void>) => {
    await using proxy = await startTcpProxy(database.url)
    const pool = database.watch(new Pool({ connectionString: proxy.url, max: 1, query_timeout: 500 }))
    const adapter = lockable(new PrismaPg(pool), { connection: database.url })
    await use(new PrismaClient({ adapter }).$extends(rowLocks()), proxy)
    await pool.end()
  }
  const silentAt = (proxy: TcpProxy, words: string) => {
    let silent = false
    proxy.fate = (data) => {
      silent ||= data.includes(words)
      return silent ? 'swallow' : 'pass'
    }
  }

  test("is a ConnectionLostError after the pool's query_timeout, and the connection is not used again", () =>
    throughSilence(async (client, proxy) => {
      silentAt(proxy, 'UPDATE')
      const update = () => client.$transactionWithRetry((tx) => tx.company.update({ where: { id }, data: { count: 1 } }), once)
      await expectRejection(update(), ConnectionLostError)
      proxy.fate = () => 'pass'
      await update()
      expect(await countOf()).toBe(1)
    }))

  test('is an AmbiguousCommitError in a call outside a transaction', () =>
    throughSilence(async (client, proxy) => {
      silentAt(proxy, 'UPDATE')
      await expectRejection(client.company.update({ where: { id }, data: { count: 1 } }), AmbiguousCommitError)
    }))

  test('is an AmbiguousCommitError in COMMIT, and the connection is not used again', () =>
    throughSilence(async (client, proxy) => {
      silentAt(proxy, 'COMMIT')
      const read = () => client.$transactionWithRetry((tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }), once)
      await expectRejection(read(), AmbiguousCommitError)
      // The server has noticed nothing, and keeps the row locked for who has gone.
      await database.sql`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'`
      proxy.fate = () => 'pass'
      await expect(read()).resolves.toMatchObject({ id })
    }))
})

describe('a server that cannot be reached', () => {
  test('is a ConnectionLostError that tells nobody the password', async () => {
    const connectionString = 'postgres://somebody:hunter2@127.0.0.1:1/nowhere'
    const client = new PrismaClient({ adapter: lockable(new PrismaPg({ connectionString })) }).$extends(rowLocks())
    const errors = [
      await expectRejection(
        client.$transactionWithRetry(async (tx) => tx.company.count(), once),
        ConnectionLostError,
      ),
      await expectRejection(client.company.count(), ConnectionLostError),
      await expectRejection(client.company.updateMany({ data: { count: 1 } }), ConnectionLostError),
    ]
    for (const error of errors) expect(`${error.stack} ${JSON.stringify(error)} ${JSON.stringify(error.cause)}`).not.toContain('hunter2')
  })
})

describe('a server that refuses', () => {
  const withClient = async (parameters: string, use: (client: TestClient) => Promise<void>) => {
    const url = new URL(database.url)
    if (parameters !== '') url.searchParams.set('options', parameters)
    const pool = database.watch(new Pool({ connectionString: url.href, max: 1 }))
    await use(new PrismaClient({ adapter: lockable(new PrismaPg(pool)) }).$extends(rowLocks()))
  }
  const calls = (client: TestClient): (() => Promise<unknown>)[] => [
    () => client.$transactionWithRetry((tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }), { retry: { attempts: 2 } }),
    async () => client.company.update({ where: { id }, data: { count: 1 } }),
    () => incrementCount(client, { company: `company of ${id}`, count: 1 }),
  ]

  test('to write or lock, as it is read-only, throws a ReadOnlyError, and is not asked again', () =>
    withClient('-c default_transaction_read_only=on', async (client) => {
      for (const call of calls(client)) await expectRejection(call(), ReadOnlyError, { sqlState: '25006', retryable: false })
    }))

  test('another connection is a ConnectionLostError, as nothing was sent, and is asked again', async () => {
    const { rolname } = (
      await database.sql<[{ rolname: string }]>`
      SELECT 'limited_' || pg_backend_pid() AS rolname`
    )[0]
    await database.sql.unsafe(`CREATE ROLE ${rolname} LOGIN PASSWORD 'limited' CONNECTION LIMIT 0`)
    const url = new URL(database.url)
    url.username = rolname
    url.password = 'limited'
    const pool = database.watch(new Pool({ connectionString: url.href, max: 1 }))
    const client = new PrismaClient({ adapter: lockable(new PrismaPg(pool)) }).$extends(rowLocks())
    const [transaction, update, repository] = calls(client)
    const plain = (run: () => Promise<unknown>) => expectRejection(run(), ConnectionLostError, { sqlState: '53300', retryable: true })
    await plain(() => client.$transaction((tx) => tx.company.count()))
    await plain(() => client.$transaction([client.company.count(), client.user.count()]))
    const fields = { sqlState: '53300', retryable: true }
    await expectRejection(transaction!(), RetryExhaustedError, {
      attempts: 2,
      sqlState: '53300',
      cause: expect.any(ConnectionLostError) as Error,
    })
    await expectRejection(update!(), ConnectionLostError, fields)
    await expectRejection(repository!(), RetryExhaustedError, { sqlState: '53300' })
    await database.sql.unsafe(`DROP ROLE ${rolname}`)
  })
})
