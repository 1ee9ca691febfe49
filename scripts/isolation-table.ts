// `npx tsx scripts/isolation-table.ts`: writes docs/isolation.md from a real run of the Hermitage anomalies at
// every isolation level, on a throw-away database.
import { mkdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'

import { startDatabase } from '../src/harness/database.js'
import { LEVELS } from '../test/schedules/hermitage/anomaly.js'
import { anomalies, CREATE_ITEM, exploreAnomaly } from '../test/schedules/hermitage/explore-anomaly.js'
import { renderIsolationTable } from '../test/schedules/hermitage/isolation-table.js'

const docs = fileURLToPath(new URL('../docs', import.meta.url))

await using database = await startDatabase()
const sql = postgres(database.url, { max: 1 })
await sql.unsafe(CREATE_ITEM)
await sql.end()

const verdicts = new Map()
for (const anomaly of anomalies) {
  const reports = new Map()
  for (const level of LEVELS) reports.set(level, await exploreAnomaly(database.url, anomaly, level))
  verdicts.set(anomaly, reports)
}
await mkdir(docs, { recursive: true })
await writeFile(`${docs}/isolation.md`, renderIsolationTable(verdicts))
console.log('Wrote docs/isolation.md.')
