import { explore, replay } from 'rowlock/testing'
import { describe, expect, test } from 'vitest'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import { useDatabase } from '../support/database.js'
import { type NaiveTwin, naiveTwins } from './scenarios/naive-twins.js'
import { emptyTables } from './scenarios/scenario.js'

const database = useDatabase()

// No finding takes a tenth of this on a quiet machine.
const LIMIT = 10_000

const optionsOf = ({ setup, actors, invariant }: NaiveTwin) => ({
  client: (adapter: ConstructorParameters<typeof PrismaClient>[0]['adapter']) => new PrismaClient({ adapter }),
  database: database.url,
  setup: async (prisma: PrismaClient) => {
    await emptyTables(prisma)
    await setup(prisma)
  },
  actors,
  invariant,
  search: { time: LIMIT },
})

describe.each(naiveTwins)('$title: not when run in parallel', (twin) => {
  test('its invariant breaks', async () => {
    const report = await explore(optionsOf(twin))

    expect(report, report.text()).toMatchObject({ verdict: 'violated', counterexample: { anomaly: { name: twin.anomaly } } })
    if (report.verdict !== 'violated') return
    // None would be a fault of the invariant: it must hold when nothing runs in parallel.
    expect([1, 2]).toContain(report.counterexample.preemptions)
    expect(report.counts.duration).toBeLessThan(LIMIT)

    const again = await replay(report.token, optionsOf(twin))
    expect(again, again.text()).toMatchObject({ verdict: 'violated', counterexample: { anomaly: { name: twin.anomaly } } })
  })

  test('also without an invariant: no order of the operations one after another leaves this', async () => {
    const { invariant: _, ...options } = optionsOf(twin)
    const report = await explore(options)

    expect(report, report.text()).toMatchObject({ verdict: 'violated', counterexample: { anomaly: { name: twin.anomaly } } })
    expect(report.verdict === 'violated' && report.counterexample.preemptions).toBeLessThanOrEqual(2)
  })
})
