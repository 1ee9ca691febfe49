import { readFile } from 'node:fs/promises'
import type { ExploreReport } from 'rowlock/testing'
import { beforeAll, describe, expect, test } from 'vitest'
import { useDatabase } from '../support/database.js'
import { type Anomaly, type Level, LEVELS } from './hermitage/anomaly.js'
import { anomalies, CREATE_ITEM, exploreAnomaly } from './hermitage/explore-anomaly.js'
import { renderIsolationTable } from './hermitage/isolation-table.js'

const database = useDatabase()
const verdicts = new Map<Anomaly, Map<Level, ExploreReport>>()

// Nothing but the one table: every schedule begins with a look at all of them.
beforeAll(() => database.sql.unsafe(`DROP SCHEMA public CASCADE; CREATE SCHEMA public; ${CREATE_ITEM}`))

describe.each(anomalies)('$name ($title)', (anomaly) => {
  const reports = new Map<Level, ExploreReport>()
  verdicts.set(anomaly, reports)

  test.each(LEVELS)(
    'at %s',
    async (level) => {
      const report = await exploreAnomaly(database.url, anomaly, level)
      reports.set(level, report)
      if (anomaly.allowedAt.includes(level))
        expect(report).toMatchObject({ verdict: 'violated', counterexample: { reason: anomaly.title } })
      else expect(report).toMatchObject({ verdict: 'held', coverage: { kind: 'complete' } })
    },
    120_000,
  )
})

test('docs/isolation.md says what these runs found', async () => {
  expect(await readFile(new URL('../../docs/isolation.md', import.meta.url), 'utf8')).toBe(renderIsolationTable(verdicts))
})
