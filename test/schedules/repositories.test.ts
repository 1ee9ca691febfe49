import type { SearchOptions } from 'rowlock/testing'
import { describe, expect, test } from 'vitest'
import { useDatabase } from '../support/database.js'
import { exploreScenario, lockingClient } from './scenarios/explore-scenario.js'
import { againstOthers, againstThemselves, type RepositoryScenario } from './scenarios/repositories.js'
import { joined } from './scenarios/scenario.js'

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

describe.each([...againstThemselves(2), ...againstOthers].map((scenario) => joined(scenario)))(
  '$title, for two transactions in every schedule',
  (scenario) => {
    test(
      'its invariant holds',
      async () => {
        await expectHeld(scenario, { mode: 'complete' }, { kind: 'complete' })
      },
      LIMIT,
    )

    test.skipIf(scenario.comparable === false)(
      'what is left is what one after the other leaves',
      async () => {
        await expectHeld(scenario, { mode: 'complete', serially: true }, { kind: 'complete' })
      },
      LIMIT,
    )
  },
)

describe.each(againstThemselves(3).map((scenario) => joined(scenario)))('$title, for three transactions', (scenario) => {
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

// Two statements have no moment in which one waits for the other that a scheduler could choose: each commits by
// itself. So one of them runs against a transaction, which holds the row for as long as the schedule likes.
const oneStatement = [...againstThemselves(2), ...againstOthers]
  .filter(({ title }) => !title.includes('opens'))
  .flatMap((scenario) => namesOf(scenario).map((name) => ({ ...joined(scenario, { others: [name] }), name })))

/** The operations that differ. */
function namesOf({ actors }: RepositoryScenario): string[] {
  return Object.keys(actors).filter((name) => name !== 'second')
}

describe.each(oneStatement)('$title, for $name as one statement and a transaction in every schedule', (scenario) => {
  test(
    'its invariant holds',
    async () => {
      const report = await exploreScenario(scenario, lockingClient, database.url, { mode: 'complete', time: TIME })
      expect(report, report.text()).toMatchObject({ verdict: 'held', coverage: { kind: 'complete' } })
      if (scenario.waits ?? true) expect(report.counts.blocked).toBeGreaterThan(0)
      if (!scenario.title.includes('same key')) expect(report.counts).toMatchObject({ deadlocked: 0, retried: 0 })
      // The statement has the row and asks for the key, a transaction the other way round: PostgreSQL ends one of the two.
      else expect(report.counts.deadlocked).toBeGreaterThan(0)
    },
    LIMIT,
  )
})

describe.each(againstThemselves(3).filter(({ title }) => !title.includes('opens')))('$title, for three statements', (scenario) => {
  test(
    'its invariant holds in every schedule with at most 1 preemption',
    async () => {
      const report = await exploreScenario(scenario, lockingClient, database.url, { mode: 'bounded', preemptions: 1, time: TIME })
      expect(report, report.text()).toMatchObject({ verdict: 'held', counts: { deadlocked: 0, retried: 0 } })
    },
    LIMIT,
  )
})
