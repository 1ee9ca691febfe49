import { AssertionError } from 'node:assert'
import { setTimeout as sleep } from 'node:timers/promises'
import { InvalidOptionError, rowLocks } from 'rowlock'
import { ActorStuckError, expectHolds, explore, type ExploreOptions, type ExploreReport, replay } from 'rowlock/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import type { TestClient } from '../support/client.js'
import { useDatabase, waitUntil } from '../support/database.js'
import { expectRejection, rejectionOf } from '../support/rejections.js'

type Operation = (prisma: TestClient) => unknown
type Options = ExploreOptions<TestClient>

const database = useDatabase()

beforeEach(async () => {
  await database.sql`TRUNCATE "User", "Company", "Event", "IdempotencyRecord" RESTART IDENTITY CASCADE`
})

/** The sessions of an exploration that are still there. */
const sessions = async () => database.sql`
  SELECT pid, state, query FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`

const noSessions = () => waitUntil('all sessions are gone', async () => ((await sessions()).length === 0 ? true : undefined))

const optionsOf = (actors: Record<string, Operation>, more: Partial<Options> = {}): Options => ({
  client: (adapter) => new PrismaClient({ adapter }).$extends(rowLocks()),
  database: database.url,
  setup: (prisma) => prisma.company.createMany({ data: [1, 2].map((id) => ({ id, name: `Company ${id}` })) }),
  actors,
  ...more,
})

async function run(actors: Record<string, Operation>, more?: Partial<Options>): Promise<ExploreReport> {
  const report = await explore(optionsOf(actors, more))
  await noSessions()
  return report
}

const twice = (operation: Operation) => ({ first: operation, second: operation })

const addOne =
  (lock?: 'forUpdate'): Operation =>
  (prisma) =>
    prisma.$transaction(async (tx) => {
      const { count } = await tx.company.findUniqueOrThrow({ where: { id: 1 }, ...(lock && { lock }) })
      await tx.company.update({ where: { id: 1 }, data: { count: count + 1 } })
    })

const increment = (id: number, times = 1): Operation => {
  return (prisma) => prisma.company.update({ where: { id }, data: { count: { increment: times } } })
}

const inOrder = (...ids: number[]): Operation => {
  return (prisma) =>
    prisma.$transaction(async (tx) => {
      for (const id of ids) await tx.company.update({ where: { id }, data: { count: { increment: 1 } } })
    })
}

const countOf = async (prisma: TestClient, id = 1) => (await prisma.company.findUniqueOrThrow({ where: { id } })).count

describe('verdicts', () => {
  test('held, complete, when the row is locked', async () => {
    const report = await run(twice(addOne('forUpdate')), { invariant: async (prisma) => (await countOf(prisma)) === 2 })
    expect(report).toMatchObject({ verdict: 'held', coverage: { kind: 'complete' }, warnings: [], actors: ['first', 'second'] })
    expect(report.counts.schedules).toBeGreaterThan(2)
    expect(report.counts.blocked).toBeGreaterThan(0)
    expectHolds(report)
  })

  test('violated, with what the invariant said, when it is not', async () => {
    const report = await run(twice(addOne()), {
      invariant: async (prisma) => {
        const count = await countOf(prisma)
        return count === 2 || `The count is ${count}.`
      },
    })
    expect(report).toMatchObject({
      verdict: 'violated',
      counterexample: { reason: 'The count is 1.', preemptions: 1, anomaly: { name: 'lost update (P4)' }, actors: ['first', 'second'] },
    })
    expect(() => expectHolds(report)).toThrow(AssertionError)
  })

  test('violated, with expected and actual, when the invariant throws an assertion', async () => {
    const report = await run(twice(addOne()), { invariant: async (prisma) => expect(await countOf(prisma)).toBe(2) })
    expect(report).toMatchObject({ verdict: 'violated', counterexample: { expected: '2', actual: '1' } })
  })

  test('violated, when the invariant returns false', async () => {
    const report = await run(twice(addOne()), { invariant: async (prisma) => (await countOf(prisma)) === 2 })
    expect(report).toMatchObject({ verdict: 'violated', counterexample: { reason: 'The invariant returned false.' } })
  })

  test('violated without an invariant, when no serial order leaves the same', async () => {
    const report = await run(twice(addOne()))
    expect(report).toMatchObject({ verdict: 'violated', counterexample: { anomaly: { name: 'lost update (P4)' } } })
    expect(report.verdict === 'violated' && [report.counterexample.expected, report.counterexample.actual]).toEqual([
      expect.stringContaining('"count": 2'),
      expect.stringContaining('"count": 1'),
    ])
  })

  test('held without an invariant, when the operations are serializable', async () => {
    expect(await run(twice(addOne('forUpdate')))).toMatchObject({ verdict: 'held', coverage: { kind: 'complete' } })
  })

  test('nondeterministic, when an operation does something else each time', async () => {
    let calls = 0
    const changing: Operation = async (prisma) => (calls++ % 2 === 0 ? increment(1)(prisma) : prisma.company.deleteMany())
    const report = await run({ changing, other: increment(1) }, { invariant: () => false })
    expect(report).toMatchObject({ verdict: 'nondeterministic', step: expect.any(Number), token: expect.stringMatching(/^rowlock1\./) })
  })

  test('exhausted, when the budget ends before the search', async () => {
    const report = await run(twice(inOrder(1, 2, 1)), { search: { mode: 'complete', schedules: 3 } })
    expect(report).toMatchObject({ verdict: 'exhausted', counts: { schedules: expect.any(Number) } })
    expect(report.counts.schedules).toBeLessThanOrEqual(4)
  })

  test('bounded and sampled searches say so', async () => {
    const actors = twice(addOne('forUpdate'))
    expect(await run(actors, { search: { mode: 'bounded', preemptions: 0 } })).toMatchObject({ verdict: 'held' })
    await database.sql`TRUNCATE "Company"`
    expect(await run(actors, { search: { mode: 'sampled', schedules: 10, seed: 7 } })).toMatchObject({
      verdict: 'held',
      coverage: { kind: 'sampled', seed: 7 },
    })
  })
})

describe('warnings', () => {
  test('no table is shared', async () => {
    const report = await run({ company: increment(1), user: (prisma) => prisma.user.create({ data: { name: 'Ada' } }) })
    expect(report).toMatchObject({ verdict: 'held', warnings: [expect.stringContaining('No table was touched by two actors')] })
  })

  test('nothing ever waited', async () => {
    const report = await run(twice((prisma) => countOf(prisma)))
    expect(report).toMatchObject({ verdict: 'held', warnings: [expect.stringContaining('No schedule ever waited')] })
  })
})

describe('replay', () => {
  test('of a token gives the same events 20 times', { timeout: 60_000 }, async () => {
    const options = optionsOf(
      { first: inOrder(1, 2), second: inOrder(2, 1) },
      {
        invariant: (_, { outcomes }) => outcomes['first']!.status === 'fulfilled',
      },
    )
    const found = await explore(options)
    if (found.verdict !== 'violated') throw new Error(found.text())
    expect(found.counterexample.anomaly.name).toBe('deadlock')
    for (let time = 0; time < 20; time++) {
      await database.sql`TRUNCATE "Company"`
      const again = await replay(found.token, options)
      if (again.verdict !== 'violated') throw new Error(again.text())
      expect(again.counterexample.events).toEqual(found.counterexample.events)
    }
    await noSessions()
  })

  test('of the schedule of correct code holds', async () => {
    const options = optionsOf(twice(addOne()))
    const { token } = (await explore(options)) as Extract<ExploreReport, { verdict: 'violated' }>
    await database.sql`TRUNCATE "Company"`
    const fixed = await replay(token, { ...options, actors: twice((prisma) => increment(1)(prisma)) })
    expect(['held', 'nondeterministic']).toContain(fixed.verdict)
    await noSessions()
  })

  test.each([undefined, '', 'rowlock1.', 'rowlock1.e30', 'other', 5])('refuses the token %s', async (token) => {
    await expectRejection(replay(token as string, optionsOf(twice(addOne()))), InvalidOptionError, { option: 'token' })
  })

  test('refuses a token for other actors', async () => {
    const { token } = (await run(twice(addOne()))) as Extract<ExploreReport, { verdict: 'violated' }>
    await expectRejection(replay(token, optionsOf({ one: addOne(), two: addOne() })), InvalidOptionError)
  })
})

describe('deadlocks and time', () => {
  test('each actor is the victim in some schedule', async () => {
    const victims = new Set<string>()
    const report = await run(
      { there: inOrder(1, 2), back: inOrder(2, 1) },
      {
        invariant: (_, { outcomes }) =>
          void Object.entries(outcomes).forEach(([name, { status }]) => status === 'rejected' && victims.add(name)),
      },
    )
    expect(report).toMatchObject({ verdict: 'held', coverage: { kind: 'complete' } })
    expect(report.counts.deadlocked).toBeGreaterThan(0)
    expect([...victims].sort()).toEqual(['back', 'there'])
  })

  test('a retry is a step, not a sleep', async () => {
    const retried = (...ids: number[]): Operation => {
      return (prisma) =>
        prisma.$transactionWithRetry(
          async (tx) => {
            for (const id of ids) await tx.company.update({ where: { id }, data: { count: { increment: 1 } } })
          },
          { timeout: 60_000, retry: { baseDelay: 60_000, maxDelay: 60_000, deadline: 6e6 } },
        )
    }
    const started = performance.now()
    const report = await run(
      { there: retried(1, 2), back: retried(2, 1) },
      { invariant: async (prisma) => (await countOf(prisma)) === 2 && (await countOf(prisma, 2)) === 2 },
    )
    expect(report, report.text()).toMatchObject({ verdict: 'held', coverage: { kind: 'complete' } })
    expect(report.counts.retried).toBeGreaterThan(0)
    expect(performance.now() - started).toBeLessThan(60_000)
  })

  test("Prisma's and rowlock's timeouts pass on the virtual clock", async () => {
    const slow = async (tx: { company: TestClient['company'] }) => {
      await tx.company.update({ where: { id: 1 }, data: { count: 5 } })
      await sleep(3_600_000)
    }
    const started = performance.now()
    const ended: string[] = []
    const report = await run(
      {
        prisma: (prisma) => prisma.$transaction(slow, { timeout: 600_000 }),
        rowlock: (prisma) => prisma.$transactionWithRetry(slow, { timeout: 600_000, lockTimeout: 600_000, retry: false }),
      },
      {
        invariant: (_, { outcomes }) => {
          for (const outcome of Object.values(outcomes))
            ended.push(outcome.status === 'rejected' ? (outcome.error as { code: string }).code : outcome.status)
        },
        search: { mode: 'bounded', preemptions: 0 },
      },
    )
    expect(report, report.text()).toMatchObject({ verdict: 'held' })
    expect(new Set(ended)).toEqual(new Set(['P2028', 'TRANSACTION_EXPIRED']))
    expect(performance.now() - started).toBeLessThan(20_000)
  })
})

describe('operations', () => {
  test('that throw are an outcome', async () => {
    const fail: Operation = async (prisma) => {
      await increment(1)(prisma)
      throw new TypeError('no')
    }
    const seen: unknown[] = []
    const report = await run({ fail, other: increment(1) }, { invariant: (_, { outcomes }) => void seen.push(outcomes['fail']) })
    expect(report).toMatchObject({ verdict: 'held' })
    expect(seen[0]).toMatchObject({ status: 'rejected', error: expect.any(TypeError) })
  })

  test('that throw before the first statement, or throw no error at all', async () => {
    const report = await run({
      sync: () => {
        throw new Error('at once')
      },
      nothing: () => {
        throw undefined
      },
    })
    expect(report).toMatchObject({ verdict: 'held' })
  })

  test('that never settle are an ActorStuckError', async () => {
    const error = await expectRejection(
      explore(optionsOf({ stuck: () => new Promise(() => undefined), other: increment(1) })),
      ActorStuckError,
    )
    expect(error.actor).toBe('stuck')
    await noSessions()
  })

  test('that never settle in a transaction end with their lock when its time is over', async () => {
    const stuck: Operation = (prisma) =>
      prisma.$transaction((tx) => tx.company.update({ where: { id: 1 }, data: { count: 1 } }).then(() => new Promise(() => undefined)))
    await expectRejection(explore(optionsOf({ stuck, other: increment(1) })), ActorStuckError)
    await noSessions()
  })

  test('that leave a transaction open end, and nobody waits for it forever', async () => {
    const leave: Operation = async (prisma) => {
      await new Promise<void>((resolve) => {
        void prisma
          .$transaction(async (tx) => {
            await tx.company.update({ where: { id: 1 }, data: { count: 5 } })
            resolve()
            await new Promise(() => undefined)
          })
          .catch(() => undefined)
      })
    }
    expect(await run({ leave, other: increment(1) }, { invariant: async (prisma) => (await countOf(prisma)) === 1 })).toMatchObject({
      verdict: 'held',
    })
  })

  test('that use batches, raw SQL, nested writes and no transaction', async () => {
    const report = await run(
      {
        batch: (prisma) =>
          prisma.$transaction([prisma.company.update({ where: { id: 1 }, data: { count: { increment: 1 } } }), prisma.company.count()]),
        raw: async (prisma) => {
          await prisma.user.create({ data: { name: 'Ada', wallet: { create: {} } } })
          await prisma.$executeRaw`UPDATE "Company" SET count = count + 1 WHERE id = 1`
        },
      },
      { invariant: async (prisma) => (await countOf(prisma)) === 2 && (await prisma.wallet.count()) === 1 },
    )
    expect(report, report.text()).toMatchObject({ verdict: 'held', coverage: { kind: 'complete' } })
  })

  test('that use Promise.all inside a transaction, and two transactions at once', async () => {
    const all: Operation = (prisma) =>
      prisma.$transaction((tx) => Promise.all([1, 2].map((id) => tx.company.update({ where: { id }, data: { count: { increment: 1 } } }))))
    const two: Operation = (prisma) => Promise.all([inOrder(1)(prisma), inOrder(1)(prisma)])
    const report = await run({ all, two }, { invariant: async (prisma) => (await countOf(prisma)) === 3 })
    expect(report, report.text()).toMatchObject({ verdict: 'held' })
  })

  test('that open a transaction inside another one', async () => {
    const nested: Operation = (prisma) =>
      prisma.$transaction(async (tx) => {
        await tx.company.update({ where: { id: 1 }, data: { count: { increment: 1 } } })
        await prisma.$transaction((inner) => inner.company.update({ where: { id: 2 }, data: { count: { increment: 1 } } }))
      })
    const report = await run(twice(nested), {
      invariant: async (prisma) => (await countOf(prisma)) === 2 && (await countOf(prisma, 2)) === 2,
    })
    expect(report, report.text()).toMatchObject({ verdict: 'held' })
  })

  test('that wait for a lock of their own are an ActorStuckError, or end with their time', async () => {
    const own: Operation = (prisma) =>
      prisma.$transaction(async (tx) => {
        await tx.company.update({ where: { id: 1 }, data: { count: 1 } })
        await prisma.company.update({ where: { id: 1 }, data: { count: 2 } })
      })
    const ended = await explore(optionsOf({ own })).then(
      ({ verdict }) => verdict,
      (error: unknown) => error,
    )
    expect(ended === 'held' || ended instanceof ActorStuckError, String(ended)).toBe(true)
    await noSessions()
  })

  test('whose session is killed fail, and the others go on', async () => {
    const kill: Operation = (prisma) => prisma.$queryRaw`
      SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'rowlock explorer: victim'`
    const report = await run(
      { victim: inOrder(1, 2), kill },
      {
        invariant: async (prisma, { outcomes }) =>
          outcomes['kill']!.status === 'fulfilled' && (await countOf(prisma)) === (await countOf(prisma, 2)),
      },
    )
    expect(report, report.text()).toMatchObject({ verdict: 'held' })
  })
})

describe('refusals', () => {
  const actors = twice(increment(1))
  const bad: [string, Partial<Record<keyof Options | 'other', unknown>>][] = [
    ['an unknown option', { other: 1 }],
    ['no client', { client: undefined }],
    ['no setup', { setup: undefined }],
    ['an invariant that is no function', { invariant: true }],
    ['no actors', { actors: {} }],
    ['actors that are no object', { actors: null }],
    ['an actor that is no function', { actors: { first: 1 } }],
    ['too many actors', { actors: Object.fromEntries(Array.from({ length: 7 }, (_, index) => [`actor${index}`, increment(1)])) }],
    ['an unknown mode', { search: { mode: 'fast' } }],
    ['an unknown search option', { search: { depth: 3 } }],
    ['no schedules', { search: { schedules: 0 } }],
    ['no time', { search: { time: -1 } }],
    ['a fraction of a preemption', { search: { preemptions: 0.5 } }],
    ['a database that is no URL', { database: 'here' }],
    ['a database that is a number', { database: 5 }],
    ['a database without a URL', { database: { allow: true } }],
    ['a database that `startDatabase` did not make', { database: 'postgres://localhost/postgres' }],
    ['such a database with allow: false', { database: { url: 'postgres://localhost/postgres', allow: false } }],
    ['a signal that is none', { signal: {} }],
  ]
  test.each(bad)('%s', async (_, option) => {
    await expectRejection(explore({ ...optionsOf(actors), ...option } as Options), InvalidOptionError)
  })

  test('a database of another name is taken with allow: true', async () => {
    const report = await run(actors, { database: { url: database.url, allow: true } })
    expect(report).toMatchObject({ verdict: 'held' })
  })

  test('a setup that fails is thrown', async () => {
    const failure = new Error('no rows')
    const setup = () => Promise.reject(failure)
    expect(await rejectionOf(explore(optionsOf(actors, { setup })))).toBe(failure)
    await noSessions()
  })

  test('a client that cannot be made is thrown', async () => {
    const failure = new Error('no client')
    const client = () => {
      throw failure
    }
    expect(await rejectionOf(explore(optionsOf(actors, { client })))).toBe(failure)
    await noSessions()
  })

  test('an abort ends the exploration with its reason', async () => {
    const reason = new Error('enough')
    const controller = new AbortController()
    const invariant = () => controller.abort(reason)
    expect(await rejectionOf(explore(optionsOf(actors, { signal: controller.signal, invariant })))).toBe(reason)
    await noSessions()
    expect(await rejectionOf(explore(optionsOf(actors, { signal: AbortSignal.abort(reason) })))).toBe(reason)
  })
})
