import { claim } from 'rowlock/lockers'
import { beforeAll, beforeEach, expect, test } from 'vitest'
import type { TestClient } from '../../support/client.js'
import { useDatabase } from '../../support/database.js'
import { createTamperedClient } from '../../support/repositories/tampered-client.js'

const database = useDatabase()
const sent: string[] = []
let prisma: TestClient

beforeAll(() => {
  ;({ prisma } = createTamperedClient(database, { before: (sql) => sent.push(sql) }))
})

// What a queue looks like to a planner whose statistics are from before the jobs came: one row of it at most.
// It then reads that one row first, and runs the subquery of a join for each that it finds.
beforeEach(async () => {
  sent.length = 0
  await database.sql.unsafe(`
    TRUNCATE "Job" RESTART IDENTITY;
    INSERT INTO "Job" (queue) SELECT 'other' FROM generate_series(1, 1000);
    ANALYZE "Job";
    INSERT INTO "Job" (queue) SELECT 'mail' FROM generate_series(1, 10)`)
})

const PICK = `SELECT id FROM "Job" WHERE queue = 'mail' AND "leaseExpiresAt" IS NULL ORDER BY id LIMIT 2 FOR NO KEY UPDATE SKIP LOCKED`
const UPDATE = `UPDATE "Job" SET attempt = attempt + 1, "leaseExpiresAt" = clock_timestamp() + interval '1 min'`

test.each([
  ['IN', `${UPDATE} WHERE queue = 'mail' AND id IN (${PICK})`],
  ['a join', `${UPDATE} FROM (${PICK}) AS picked WHERE queue = 'mail' AND "Job".id = picked.id`],
])('a claim written by hand, with its LIMIT 2 in the subquery of %s, takes all ten jobs', async (_, sql) => {
  expect(await prisma.$executeRawUnsafe(sql)).toBe(10)
})

test('claim takes two of the same queue, with the same statistics', async () => {
  expect(await claim(prisma.job, { where: { queue: 'mail' }, take: 2, lease: 60_000 })).toHaveLength(2)
  expect(await prisma.job.count({ where: { attempt: 1 } })).toBe(2)
})

test('the jobs are picked once, whichever way they are joined', async () => {
  await claim(prisma.job, { where: { queue: 'none' }, take: 2, lease: 60_000 })
  const statement = sent.find((sql) => sql.startsWith('WITH'))!
  const withValues = ['mail', 2, 0, 60_000].reduce<string>((sql, value, index) => sql.replace(`$${index + 1}`, `'${value}'`), statement)
  const joins = ['enable_hashjoin', 'enable_mergejoin', 'enable_nestloop', 'enable_indexscan', 'enable_material']
  for (const off of [[], ...joins.map((join) => [join]), joins.slice(0, 2), ['enable_hashjoin', 'enable_nestloop'], joins]) {
    await database.sql.begin(async (tx) => {
      await tx`UPDATE "Job" SET "leaseExpiresAt" = NULL`
      for (const name of off) await tx.unsafe(`SET LOCAL ${name} = off`)
      expect(await tx.unsafe(withValues), off.join()).toHaveLength(2)
      const plan = await tx.unsafe<{ 'QUERY PLAN': string }[]>(`EXPLAIN ${withValues}`)
      expect(plan.map((line) => line['QUERY PLAN']).join('\n')).toContain('CTE rowlock.locked')
    })
  }
})
