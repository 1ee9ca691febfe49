import { explore, type SearchOptions } from 'rowlock/testing'
import { beforeAll, describe, expect, test } from 'vitest'
import { useDatabase } from '../support/database.js'
import { installVirtualServerClock } from '../support/virtual-server-clock.js'
import { lockingClient } from './scenarios/explore-scenario.js'
import { brokenLeases, emptyLeases, leaseScenarios, type LeaseScenario } from './scenarios/leases.js'

const database = useDatabase()
beforeAll(() => installVirtualServerClock(database.sql))

// Schedules and not time end the searches: on a busy machine they take many times longer.
const TIME = 120_000
const LIMIT = TIME + 30_000

const exploreLeases = ({ actors, invariant }: LeaseScenario, search: SearchOptions) =>
  explore({ client: lockingClient, database: database.url, setup: emptyLeases, actors, invariant, search: { time: TIME, ...search } })

describe.each(leaseScenarios)('$title', (scenario) => {
  const { preemptions } = scenario
  test(
    `no stale write lands in any schedule${preemptions === undefined ? '' : ` with at most ${preemptions} preemptions`}`,
    async () => {
      const report = await exploreLeases(
        scenario,
        preemptions === undefined ? { mode: 'complete', schedules: 100_000 } : { mode: 'bounded', preemptions, schedules: 100_000 },
      )
      expect(report, report.text()).toMatchObject({
        verdict: 'held',
        coverage: preemptions === undefined ? { kind: 'complete' } : { kind: 'bounded', preemptions },
        counts: { deadlocked: 0 },
      })
    },
    LIMIT,
  )
})

describe.each(brokenLeases)('$title', (scenario) => {
  test(
    'a stale write lands',
    async () => {
      const report = await exploreLeases(scenario, {})
      expect(report, report.text()).toMatchObject({ verdict: 'violated' })
    },
    LIMIT,
  )
})
