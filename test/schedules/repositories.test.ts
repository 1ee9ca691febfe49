import type { SearchOptions } from 'rowlock/testing'
import { describe, expect, test } from 'vitest'
import { useDatabase } from '../support/database.js'
import { exploreScenario, lockingClient } from './scenarios/explore-scenario.js'
import { againstOthers, againstThemselves, type RepositoryScenario } from './scenarios/repositories.js'

const database = useDatabase()

// Schedules and not time end the searches: on a busy machine they take many times longer.
const TIME = 120_000
const LIMIT = TIME + 30_000

/** Explores, and expects that nothing broke, that who should wait did, and that there was no deadlock to retry. */
async function expectHeld(scenario: RepositoryScenario, search: SearchOptions & { readonly serially?: boolean }, coverage: object) {
  const report = await exploreScenario(scenario, lockingClient, database.url, { time: TIME, ...search })
  expect(report, report.text()).toMatchObject({ verdict: 'held', coverage, counts: { deadlocked: 0, retried: 0 } })
  if (scenario.waits ?? true) expect(report.counts.blocked).toBeGreaterThan(0)
  else expect(report.counts.blocked).toBe(0)
}

describe.each([...againstThemselves(2), ...againstOthers])('$title, for two in every schedule', (scenario) => {
  test(
    'its invariant holds',
    async () => {
      await expectHeld(scenario, { mode: 'complete' }, { kind: 'complete' })
    },
    LIMIT,
  )
})

describe.each([...againstThemselves(2), ...againstOthers].filter(({ comparable }) => comparable !== false))(
  '$title, for two in every schedule',
  (scenario) => {
    test(
      'what is left is what one after the other leaves',
      async () => {
        await expectHeld(scenario, { mode: 'complete', serially: true }, { kind: 'complete' })
      },
      LIMIT,
    )
  },
)

describe.each(againstThemselves(3))('$title, for three', (scenario) => {
  const { threeWith } = scenario
  const [search, coverage]: [SearchOptions, object] =
    threeWith === undefined
      ? [{ mode: 'complete' }, { kind: 'complete' }]
      : [
          { mode: 'bounded', preemptions: threeWith },
          { kind: 'bounded', preemptions: threeWith },
        ]

  test(
    `its invariant holds in every schedule${threeWith === undefined ? '' : ` with at most ${threeWith} preemption`}`,
    async () => {
      await expectHeld(scenario, search, coverage)
    },
    LIMIT,
  )
})
