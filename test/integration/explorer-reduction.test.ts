import fc from 'fast-check'
import type { IsolationLevel } from 'rowlock'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CompleteScheduler } from '../../src/explorer/complete-scheduler.js'
import { choicesOf, formatSchedule } from '../../src/explorer/schedule.js'
import { Exploration } from '../../src/harness/explore/exploration.js'
import { describeOutcomes } from '../../src/harness/explore/judge.js'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import { useDatabase } from '../support/database.js'

const SCENARIOS = 200
const SEED = 20_260_101

/** What the statements of an actor are; `isolationLevel` undefined is without a transaction. */
interface Program {
  readonly isolationLevel: IsolationLevel | undefined
  readonly statements: readonly string[]
}

const reads = [
  'SELECT v FROM a WHERE id = 1',
  'SELECT sum(v) AS v FROM a',
  'SELECT count(*) AS v FROM b',
  'SELECT a.v + b.v AS v FROM a, b WHERE a.id = 1 AND b.id = 1',
  'SELECT v FROM both_tables ORDER BY v',
  'SELECT next_of_b() AS v',
]
const locks = [
  'SELECT v FROM a WHERE id = 1 FOR UPDATE',
  'SELECT v FROM a ORDER BY id FOR SHARE',
  'SELECT v FROM b WHERE id = 1 FOR NO KEY UPDATE',
  'SELECT v FROM a WHERE id = 1 FOR UPDATE SKIP LOCKED',
  'SELECT v FROM b WHERE id = 1 FOR UPDATE NOWAIT',
  'SELECT pg_advisory_xact_lock(1)::text AS v',
]
const writes = [
  'UPDATE a SET v = v + 1 WHERE id = 1',
  'UPDATE a SET v = v * 2',
  'UPDATE b SET v = (SELECT sum(v) FROM a) WHERE id = 1',
  'UPDATE b SET v = v + 5 WHERE v < 12',
  'INSERT INTO b (id, v) VALUES (2, 7)',
  'INSERT INTO b (id, v) SELECT 3, max(v) FROM a ON CONFLICT (id) DO UPDATE SET v = b.v + 1',
  'DELETE FROM a WHERE v > 20',
]

const statement = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...reads) }, fc.constantFrom(...locks), {
  weight: 4,
  arbitrary: fc.constantFrom(...writes),
})
const program: fc.Arbitrary<Program> = fc.record({
  isolationLevel: fc.constantFrom<IsolationLevel | undefined>('ReadCommitted', 'ReadCommitted', 'RepeatableRead', undefined),
  // Three statements of each are 70 schedules: seldom enough.
  statements: fc.oneof(
    { weight: 4, arbitrary: fc.array(statement, { minLength: 1, maxLength: 2 }) },
    { weight: 1, arbitrary: fc.array(statement, { minLength: 3, maxLength: 3 }) },
  ),
})

const database = useDatabase()
let exploration: Exploration<PrismaClient>
let programs: readonly Program[] = []

beforeAll(async () => {
  await database.sql.unsafe(`
    DROP SCHEMA public CASCADE; CREATE SCHEMA public;
    CREATE TABLE a (id int PRIMARY KEY, v int NOT NULL); CREATE TABLE b (id int PRIMARY KEY, v int NOT NULL);
    CREATE VIEW both_tables AS SELECT v FROM a UNION ALL SELECT v FROM b;
    CREATE FUNCTION next_of_b() RETURNS int LANGUAGE sql VOLATILE AS 'UPDATE b SET v = v + 100 WHERE id = 1 RETURNING v'`)
  exploration = new Exploration<PrismaClient>({
    url: database.url,
    client: (adapter) => new PrismaClient({ adapter }),
    setup: async (prisma) => {
      await prisma.$executeRaw`INSERT INTO a (id, v) VALUES (1, 10), (2, 20)`
      await prisma.$executeRaw`INSERT INTO b (id, v) VALUES (1, 10)`
    },
    operations: new Map(['first', 'second'].map((name, index) => [name, (prisma: never) => run(prisma, programs[index]!)])),
    runTimeout: 20_000,
    signal: undefined,
  })
  await exploration.start()
})

afterAll(() => exploration.stop())

test(
  `the reduced search leaves the same rows and outcomes as the full one, in ${SCENARIOS} generated scenarios`,
  { timeout: 300_000 },
  async () => {
    let reducedRuns = 0
    let fullRuns = 0
    for (const scenario of fc.sample(fc.tuple(program, program), { numRuns: SCENARIOS, seed: SEED })) {
      programs = scenario
      const full = await drain(new CompleteScheduler({ reduce: false }))
      const reduced = await drain(new CompleteScheduler())
      expect(reduced.results, JSON.stringify(scenario)).toEqual(full.results)
      expect(reduced.schedules.size).toBeLessThanOrEqual(full.schedules.size)
      fullRuns += full.schedules.size
      reducedRuns += reduced.schedules.size
    }
    // A reduction that never reduces would pass, too.
    expect(reducedRuns).toBeLessThan(fullRuns * 0.75)
  },
)

async function run(prisma: PrismaClient, { isolationLevel, statements }: Program): Promise<unknown> {
  if (isolationLevel === undefined) return runAll(prisma, statements)
  return prisma.$transaction((tx) => runAll(tx, statements), { isolationLevel })
}

async function runAll(client: Pick<PrismaClient, '$queryRawUnsafe'>, statements: readonly string[]): Promise<unknown[]> {
  const seen: unknown[] = []
  for (const sql of statements) seen.push((await client.$queryRawUnsafe<{ v: unknown }[]>(sql)).map(({ v }) => String(v)))
  return seen
}

/** What the schedules of a search leave, as a set, and the schedules. */
async function drain(scheduler: CompleteScheduler) {
  const results = new Set<string>()
  const schedules = new Set<string>()
  for (let choose = scheduler.next(); choose; choose = scheduler.next()) {
    const { history, outcomes } = await exploration.run(choose)
    scheduler.ran(history.decisions)
    if (history.pruned) continue
    results.add(`${await exploration.data.readState()}\n${describeOutcomes(outcomes)}`)
    schedules.add(formatSchedule(choicesOf(history.decisions)))
  }
  return { results: [...results].sort(), schedules }
}
