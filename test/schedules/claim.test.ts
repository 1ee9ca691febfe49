import { beforeAll, describe, expect, test } from 'vitest'
import type { SearchOptions } from 'rowlock/testing'
import { useDatabase } from '../support/database.js'
import { installVirtualServerClock } from '../support/virtual-server-clock.js'
import { type ClaimScenario, claimScenarios } from './scenarios/claim.js'
import { exploreScenario, lockingClient } from './scenarios/explore-scenario.js'

const database = useDatabase()
beforeAll(() => installVirtualServerClock(database.sql))

const TIME = 120_000
const LIMIT = TIME + 30_000

const exploreClaims = (scenario: ClaimScenario, actors: ClaimScenario['actors'], search: SearchOptions) =>
  exploreScenario({ ...scenario, actors }, lockingClient, database.url, { time: TIME, ...search })

async function expectHeld(scenario: ClaimScenario, search: SearchOptions, coverage: object) {
  const report = await exploreClaims(scenario, scenario.actors, search)
  expect(report, report.text()).toMatchObject({ verdict: 'held', coverage, counts: { deadlocked: 0, retried: 0 } })
  return report.counts
}

describe.each(claimScenarios(2))('$title, by two workers and time', (scenario) => {
  test(
    'is done once, by the attempt that holds the job, in every schedule',
    async () => {
      const { blocked } = await expectHeld(scenario, { mode: 'complete' }, { kind: 'complete' })
      // A claim waits for nobody; a report waits for a claim that has not been committed yet.
      if (scenario.waits) expect(blocked).toBeGreaterThan(0)
      else expect(blocked).toBe(0)
    },
    LIMIT,
  )

  test.each(Object.entries(scenario.broken))(
    'is not, %s',
    async (_, actors) => {
      const report = await exploreClaims(scenario, actors, {})
      expect(report, report.text()).toMatchObject({ verdict: 'violated' })
    },
    LIMIT,
  )
})

test(
  'time is a step like any other: none of its places between two claims and their reports is left out',
  async () => {
    // With the first worker's claim before the second's: time may pass before both (the second claim then comes, in
    // vain, before or after the report: 2), or later (5 orders of it, the report, and a second claim that is in
    // vain), or in time for the second worker to take the job over (either report first: 2). As many with the
    // second worker's claim first.
    const { schedules } = await expectHeld(claimScenarios(2)[0]!, { mode: 'complete' }, { kind: 'complete' })
    expect(schedules).toBe(2 * (2 + 5 + 2))
  },
  LIMIT,
)

describe.each(claimScenarios(3))('$title, by three workers and time that passes twice', (scenario) => {
  const few = ['complete', 'fail'].includes(scenario.title)
  const [search, coverage]: [SearchOptions, object] = few
    ? [{ mode: 'complete' }, { kind: 'complete' }]
    : [
        { mode: 'bounded', preemptions: 1 },
        { kind: 'bounded', preemptions: 1 },
      ]

  test(
    `is done once, by the attempt that holds the job, in every schedule${few ? '' : ' with at most one preemption'}`,
    async () => {
      await expectHeld(scenario, search, coverage)
    },
    LIMIT,
  )
})
