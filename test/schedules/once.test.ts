import { describe, expect, test } from 'vitest'
import { useDatabase } from '../support/database.js'
import { exploreScenario, lockingClient, plainClient } from './scenarios/explore-scenario.js'
import { brokenTwins, onceScenarios, sweptScenario } from './scenarios/once.js'

const database = useDatabase()

// Schedules and not time end the searches: on a busy machine they take many times longer.
const TIME = 120_000
const LIMIT = TIME + 30_000

describe.each([2, 3] as const)('for %d, in every schedule', (actors) => {
  test.each(onceScenarios(actors))(
    '$title',
    async (scenario) => {
      const report = await exploreScenario(scenario, lockingClient, database.url, { mode: 'complete', time: TIME })
      expect(report, report.text()).toMatchObject({
        verdict: 'held',
        coverage: { kind: 'complete' },
        counts: { deadlocked: 0, retried: 0 },
      })
      expect(report.counts.blocked).toBeGreaterThan(0)
    },
    LIMIT,
  )

  test(
    sweptScenario(actors === 2 ? 1 : 2).title,
    async () => {
      const report = await exploreScenario(sweptScenario(actors === 2 ? 1 : 2), lockingClient, database.url, {
        mode: 'complete',
        time: TIME,
      })
      expect(report, report.text()).toMatchObject({ verdict: 'held', coverage: { kind: 'complete' } })
    },
    LIMIT,
  )

  test.each(brokenTwins(actors))('not so with $title', async (scenario) => {
    const report = await exploreScenario(scenario, plainClient, database.url, { time: 20_000 })
    expect(report, report.text()).toMatchObject({ verdict: 'violated' })
    expect(report.text()).toMatch(scenario.broken)
    if (report.verdict === 'violated') expect([1, 2]).toContain(report.counterexample.preemptions)
  })
})
