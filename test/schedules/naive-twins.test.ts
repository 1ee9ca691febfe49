import { replay } from 'rowlock/testing'
import { describe, expect, test } from 'vitest'
import { useDatabase } from '../support/database.js'
import { exploreScenario, optionsOf, plainClient } from './scenarios/explore-scenario.js'
import { naiveTwins } from './scenarios/naive-twins.js'

const database = useDatabase()

// No finding takes a tenth of this on a quiet machine.
const search = { time: 10_000 }

describe.each(naiveTwins)('not when run in parallel: $title', (twin) => {
  const violated = { verdict: 'violated', counterexample: { anomaly: { name: twin.anomaly } } }

  test('its invariant breaks', async () => {
    const report = await exploreScenario(twin, plainClient, database.url, search)

    expect(report, report.text()).toMatchObject(violated)
    if (report.verdict !== 'violated') return
    // None would be a fault of the invariant: it must hold when nothing runs in parallel.
    expect([1, 2]).toContain(report.counterexample.preemptions)
    expect(report.counts.duration).toBeLessThan(search.time)

    const again = await replay(report.token, optionsOf(twin, plainClient, database.url, search))
    expect(again, again.text()).toMatchObject(violated)
  })

  test('no order of the operations one after another leaves what they leave', async () => {
    const report = await exploreScenario(twin, plainClient, database.url, { ...search, serially: true })

    expect(report, report.text()).toMatchObject(violated)
    expect(report.verdict === 'violated' && report.counterexample.preemptions).toBeLessThanOrEqual(2)
  })
})
