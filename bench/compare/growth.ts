/**
 * What becomes of the time per operation as callers, wallets, processes and the ledger grow. See docs/speed.md.
 *
 *   npm run bench:growth                      everything, about half an hour
 *   npm run bench:growth -- --quick           smaller maxima, one minute
 *   npm run bench:growth -- --only history    only the lines with that in their names
 *   npm run bench:growth -- --json growth.json --chart growth.svg
 */
import { writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { createTemplate, startDatabase } from 'rowlock/testing'
import { describeMachine, describeServer, onProgress } from './conditions.js'
import { renderGrowth } from './growth/chart.js'
import { growing } from './growth/growing.js'
import { growthLines, POOL } from './growth/lines.js'
import { measureLine, type Summary } from './growth/measure-line.js'
import { renderLine, renderVerdicts } from './growth/report.js'
import { judgeLine } from './growth/verdict.js'

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    /** Of a round, in milliseconds. */
    time: { type: 'string' },
    only: { type: 'string', multiple: true },
    json: { type: 'string' },
    chart: { type: 'string' },
  },
})
const rounds = Number(flags.rounds ?? (flags.quick ? 3 : 5))
const time = Number(flags.time ?? (flags.quick ? 100 : 1_000))
const lines = growthLines(flags).filter(({ name }) => flags.only?.some((part) => name.includes(part)) ?? true)

const load = loadavg()[0]!
// Every contestant keeps a pool open for each point of a line. What comes at its own time would meet one point and not the others.
const connections = Math.max(...lines.map(({ points }) => Math.max(points.length, ...points.map(({ processes }) => processes))))
const settings: Record<string, string> = process.env['DATABASE_URL']
  ? {}
  : {
      max_connections: String(connections * growing.length * POOL + 50),
      shared_buffers: '512MB',
      max_wal_size: '8GB',
      checkpoint_timeout: '1h',
    }
await using database = await startDatabase({ durable: true, settings })
const conditions = [
  await describeServer(database),
  `pool of ${POOL} in each process; medians of ${rounds} interleaved rounds of ${time} ms; ${describeMachine(load)}`,
  ...(Object.keys(settings).length > 0
    ? [
        Object.entries(settings)
          .map(([name, value]) => `${name} ${value}`)
          .join(', '),
      ]
    : []),
]
console.log(conditions.join('\n'))

const template = await createTemplate(database.url, { migrations: 'prisma/migrations' })
const summaries: Summary[] = []
for (const line of lines) {
  const measured = await measureLine(line, { template, contestants: growing, rounds, time, onProgress })
  summaries.push(...measured)
  console.log(`\n${renderLine(line, measured)}`)
}
const verdicts = lines.flatMap((line) => judgeLine(line, summaries))
console.log(`\n${renderVerdicts(verdicts)}`)

if (flags.json !== undefined) await writeFile(flags.json, `${JSON.stringify({ conditions, verdicts, summaries }, undefined, 2)}\n`)
if (flags.chart !== undefined) await writeFile(flags.chart, renderGrowth(lines, summaries))
