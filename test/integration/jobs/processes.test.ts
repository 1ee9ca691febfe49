import { raceProcesses } from 'rowlock/testing'
import { expect, test } from 'vitest'
import type { ClaimRaceInput } from '../../support/jobs/claim-actor.js'
import { useDatabase } from '../../support/database.js'

const database = useDatabase()
const JOBS = 200
const TAKE = 3

test('four processes with four workers each claim every job once, and never more than they asked for', async () => {
  await database.sql`INSERT INTO "Job" (queue) SELECT 'mail' FROM generate_series(1, ${JOBS})`
  const input: ClaimRaceInput = { url: database.url, take: TAKE }
  const result = await raceProcesses<{ done: { id: number; process: number }[]; largest: number }>({
    processes: 4,
    requests: 16,
    module: new URL('../../support/jobs/claim-actor.ts', import.meta.url),
    exportName: 'worker',
    input,
    deadline: 120_000,
  })
  expect(result).toMatchObject({ fulfilled: 16, rejected: 0 })

  const done = result.values.flatMap((worker) => worker.done)
  expect(done.map(({ id }) => id).sort((a, b) => a - b)).toEqual(Array.from({ length: JOBS }, (_, index) => index + 1))
  expect(new Set(done.map(({ process }) => process)).size).toBeGreaterThan(1)
  expect(Math.max(...result.values.map(({ largest }) => largest))).toBe(TAKE)
  expect(await database.sql`SELECT attempt, count(*)::int FROM "Job" WHERE "completedAt" IS NOT NULL GROUP BY attempt`).toEqual([
    { attempt: 1, count: JOBS },
  ])
  // The effect has a unique name: a second one would have failed its worker.
  expect(await database.sql`SELECT count(*)::int FROM "Company"`).toEqual([{ count: JOBS }])
}, 150_000)
