import { Prisma } from '../../../src/generated/prisma/client.js'
import { advisoryLockKey, DeadlockError, isRowLockError, SerializationError, type IsolationLevel } from 'rowlock'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase, waitUntilSessionsBlocked } from '../../support/database.js'
import { collide, failures } from '../../support/deadlock.js'
import { held } from '../../support/held.js'
import { expectRejection, useRejectionCheck } from '../../support/rejections.js'

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

type Query = (tx: TestClient, id: number) => PromiseLike<unknown>

const QUERIES: [string, Query, { model?: string; cause: object }][] = [
  [
    'a locked find',
    (tx, id) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }),
    { model: 'Company', cause: { code: 'P2034' } },
  ],
  [
    'an update',
    (tx, id) => tx.company.update({ where: { id }, data: { count: { increment: 1 } } }),
    { model: 'Company', cause: { code: 'P2034' } },
  ],
  ['$queryRaw', (tx, id) => tx.$queryRaw`SELECT id FROM "Company" WHERE id = ${id} FOR UPDATE`, { cause: { code: 'P2010' } }],
  [
    '$queryRawUnsafe',
    (tx, id) => tx.$queryRawUnsafe('SELECT id FROM "Company" WHERE id = $1 FOR UPDATE', id),
    { cause: { code: 'P2010' } },
  ],
  ['$executeRaw', (tx, id) => tx.$executeRaw`UPDATE "Company" SET count = 1 WHERE id = ${id}`, { cause: { code: 'P2010' } }],
  ['an advisory lock', (tx, id) => tx.$advisoryLock(id), { cause: { code: 'P2010' } }],
]

describe('opposite order deadlocks', () => {
  test.each(QUERIES)('in %s: one is the victim and the other one finishes', async (_, query, fields) => {
    const results = await collide(
      prisma,
      (tx) => query(tx as TestClient, a),
      (tx) => query(tx as TestClient, b),
    )
    const [victim, ...others] = failures(results)
    expect(others).toEqual([])
    await expectRejection(Promise.reject(victim), DeadlockError, { code: 'DEADLOCK', sqlState: '40P01', retryable: true, ...fields })
  })

  test('not when both take the same order', async () => {
    const both = (tx: TestClient) => tx.company.findMany({ where: { id: { in: [a, b] } }, orderBy: { id: 'asc' }, lock: 'forUpdate' })
    const results = await Promise.allSettled(
      [1, 2].map(() => prisma.$transactionWithRetry((tx) => both(tx as unknown as TestClient), { retry: false })),
    )
    expect(failures(results)).toEqual([])
  })

  test('in a batch: one is the victim and the other one finishes', async () => {
    const gate = await held(prisma, (tx) => tx.$advisoryLock('gate'))
    const update = (id: number) => prisma.company.updateMany({ where: { id }, data: { count: { increment: 1 } } })
    const batch = (first: number, second: number) =>
      prisma.$transaction([
        prisma.$executeRaw`SET LOCAL deadlock_timeout = '10ms'`,
        update(first),
        prisma.$executeRaw`SELECT pg_advisory_xact_lock_shared(${advisoryLockKey('gate')})`,
        update(second),
      ])
    const running = Promise.allSettled([batch(a, b), batch(b, a)])
    await waitUntilSessionsBlocked(database.sql, 2)
    await gate.commit()

    const [victim, ...others] = failures(await running)
    expect(others).toEqual([])
    await expectRejection(Promise.reject(victim), DeadlockError, { sqlState: '40P01', model: 'Company' })
  })
})

describe('a concurrent change is a serialization failure', () => {
  const levels: IsolationLevel[] = ['RepeatableRead', 'Serializable']
  const paths = QUERIES.slice(0, 5).flatMap(([name, query, fields]) => levels.map((level) => [name, level, query, fields] as const))

  const changedMeanwhile = (query: Query, isolationLevel: IsolationLevel) =>
    prisma.$transactionWithRetry(
      async (tx) => {
        await tx.company.count()
        await database.sql`UPDATE "Company" SET count = count + 1 WHERE id = ${a}`
        await query(tx as unknown as TestClient, a)
      },
      { isolationLevel, retry: false },
    )

  test.each(paths)('in %s under %s', async (_, level, query, fields) => {
    await expectRejection(changedMeanwhile(query, level), SerializationError, {
      code: 'SERIALIZATION_FAILURE',
      sqlState: '40001',
      retryable: true,
      ...fields,
    })
  })

  test.each(QUERIES.slice(0, 5))('but not in %s under ReadCommitted', async (_, query) => {
    await expect(changedMeanwhile(query, 'ReadCommitted')).resolves.toBeUndefined()
  })
})

describe('write skew under Serializable', () => {
  // Two transactions read both rows and change one each: only the second COMMIT can tell.
  const overlap = (isolationLevel: IsolationLevel) => async (tx: Pick<TestClient, 'company'>) => {
    await tx.company.aggregate({ where: { id: { in: [a, b] } }, _sum: { count: true } })
    await tx.company.update({ where: { id: a }, data: { count: 1 } })
    await prisma.$transaction(
      async (other) => {
        await other.company.aggregate({ where: { id: { in: [a, b] } }, _sum: { count: true } })
        await other.company.update({ where: { id: b }, data: { count: 1 } })
      },
      { isolationLevel },
    )
  }
  const withOverlap = async (isolationLevel: IsolationLevel, run: 'plain' | 'retried') =>
    run === 'plain'
      ? prisma.$transaction(overlap(isolationLevel), { isolationLevel })
      : prisma.$transactionWithRetry(overlap(isolationLevel), { isolationLevel, retry: false })

  test.each(['plain', 'retried'] as const)('fails at COMMIT of a %s transaction', async (run) => {
    await expectRejection(withOverlap('Serializable', run), SerializationError, {
      sqlState: '40001',
      cause: { name: 'DriverAdapterError' },
    })
    expect((await prisma.company.findUniqueOrThrow({ where: { id: a } })).count).toBe(0)
  })

  test('goes unnoticed under RepeatableRead', async () => {
    await withOverlap('RepeatableRead', 'retried')
    expect((await prisma.company.findUniqueOrThrow({ where: { id: a } })).count).toBe(1)
  })
})

describe('an error at COMMIT', () => {
  beforeAll(async () => {
    await database.sql`CREATE TABLE "Checked" (code text)`
    await database.sql.unsafe(`
      CREATE FUNCTION fail_at_commit() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = NEW.code; END $$;
      CREATE CONSTRAINT TRIGGER checked AFTER INSERT ON "Checked" DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION fail_at_commit()`)
  })

  const insert = (code: string) => Prisma.sql`INSERT INTO "Checked" VALUES (${code})`
  const transactions: [string, (code: string) => Promise<unknown>][] = [
    ['$transactionWithRetry', (code) => prisma.$transactionWithRetry((tx) => tx.$executeRaw(insert(code)), { retry: false })],
    ['$transaction', (code) => prisma.$transaction((tx) => tx.$executeRaw(insert(code)))],
    ['a batch', (code) => prisma.$transaction([prisma.company.count(), prisma.$executeRaw(insert(code))])],
  ]

  test.each(transactions)('of %s is told apart by SQLSTATE', async (_, run) => {
    await expectRejection(run('40001'), SerializationError, { sqlState: '40001' })
    await expectRejection(run('40P01'), DeadlockError, { sqlState: '40P01' })
  })

  test.each(transactions)('of %s that has nothing to do with locks stays as it is', async (_, run) => {
    const error: unknown = await run('23514').catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(Error)
    expect(isRowLockError(error)).toBe(false)
    expect(JSON.stringify(error)).toContain('23514')
  })
})
