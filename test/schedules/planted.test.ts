import { explore } from 'rowlock/testing'
import { rowLocks } from 'rowlock'
import { describe, expect, test } from 'vitest'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import { useDatabase } from '../support/database.js'
import { lockMistakes } from './planted/lock-mistakes.js'
import type { PlantedBug } from './planted/planted-bug.js'
import { staleReads } from './planted/stale-reads.js'

const database = useDatabase()

const exploreTwin = (bug: PlantedBug, actors: PlantedBug['broken']) =>
  explore({
    client: (adapter) => new PrismaClient({ adapter }).$extends(rowLocks()),
    database: database.url,
    setup: async (prisma) => {
      await prisma.$executeRaw`TRUNCATE "User", "Company", "Event", "IdempotencyRecord" RESTART IDENTITY CASCADE`
      await bug.setup(prisma)
    },
    actors,
    invariant: bug.invariant,
  })

describe.each([...staleReads, ...lockMistakes])('$title', (bug) => {
  test(`is found: ${bug.anomaly}`, async () => {
    const report = await exploreTwin(bug, bug.broken)
    expect(report, report.text()).toMatchObject({ verdict: 'violated', counterexample: { anomaly: { name: bug.anomaly } } })
    expect(report.verdict === 'violated' && report.counterexample.preemptions).toBeLessThanOrEqual(2)
  })

  test('is not in its fixed twin', async () => {
    const report = await exploreTwin(bug, bug.fixed)
    expect(report, report.text()).toMatchObject({ verdict: 'held', coverage: { kind: 'complete' } })
  })
})
