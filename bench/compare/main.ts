/**
 * Everyone at the same work: lock the wallet, check, update, insert a ledger entry, commit. See docs/speed.md.
 *
 *   npm run bench                        everything, about three quarters of an hour
 *   npm run bench -- --quick             a first look, two minutes
 *   npm run bench -- --pool 50           with another pool
 *   npm run bench -- --only rowlock --only pgbench --load hot     only those with that in their names
 *   npm run bench -- --json out.json --chart out.svg
 */
import { writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { startDatabase } from 'rowlock/testing'
import { describeMachine, describeServer, onProgress } from './conditions.js'
import type { Load } from './contestant.js'
import { contestants } from './contestants/index.js'
import { pgbench } from './contestants/pgbench.js'
import { type Findings, judge } from './goals.js'
import { seed, WALLETS } from './ledger.js'
import { describe, measure, type Rounds } from './measure.js'
import { measureOrigin } from './origin.js'
import { renderChart } from './chart.js'
import { renderGoals, renderLoad, renderOrigin, summarize } from './report.js'
import { measureUnrelated } from './unrelated.js'

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    pool: { type: 'string', default: '10' },
    rounds: { type: 'string' },
    /** Of a round, in milliseconds. */
    time: { type: 'string' },
    only: { type: 'string', multiple: true },
    load: { type: 'string', multiple: true },
    json: { type: 'string' },
    chart: { type: 'string' },
  },
})
const pool = Number(flags.pool)
const rounds = Number(flags.rounds ?? (flags.quick ? 3 : 7))
const time = Number(flags.time ?? (flags.quick ? 150 : 1_500))
const isChosen = (name: string, chosen: readonly string[] | undefined) => chosen?.some((part) => name.includes(part)) ?? true

const shapes = [
  { name: 'hot', callers: 100, wallets: 1 },
  { name: 'uniform', callers: 64, wallets: WALLETS },
  { name: 'serial', callers: 1, wallets: WALLETS },
] as const
const loads = [0, 1]
  .flatMap((network) => shapes.map((shape): Load => ({ ...shape, network })))
  .filter((load) => isChosen(describe(load), flags.load) && !(flags.quick && load.network > 0 && load.name !== 'hot'))
const taking = contestants.filter(({ name, kind }) => isChosen(name, flags.only) && (kind !== 'limit' || pgbench !== undefined))

const machineLoad = loadavg()[0]!
// Each contestant keeps a pool open; a server of DATABASE_URL has its own limit.
const settings: Record<string, string> = process.env['DATABASE_URL'] ? {} : { max_connections: String(taking.length * pool + 50) }
await using database = await startDatabase({ migrations: 'prisma/migrations', durable: true, settings })
const conditions = [
  await describeServer(database),
  `pool of ${pool}; medians of ${rounds} interleaved rounds of ${time} ms; ${describeMachine(machineLoad)}`,
  ...(pgbench === undefined ? ['pgbench was not found, neither on PATH nor in /usr/lib/postgresql: the ratios to it are left out'] : []),
]
console.log(conditions.join('\n'))
await seed(database.url)

const results = new Map<Load, Rounds>()
for (const load of loads) {
  const measured = await measure(load, taking, { url: database.url, pool, rounds, time, onProgress })
  results.set(load, measured)
  console.log(`\n${renderLoad(load, measured)}`)
}
const findings: Findings = { results, ...(flags.only || flags.load ? { unrelated: undefined, origin: undefined } : await measureOthers()) }
console.log(['', ...renderOrigin(findings), renderGoals(findings)].join('\n'))

const summaries = [...results].flatMap(([load, measured]) => summarize(load, measured))
if (flags.json !== undefined) {
  const { origin, unrelated } = findings
  const raw = [...results].map(([load, measured]) => ({
    ...load,
    rounds: Object.fromEntries([...measured].map(([{ name }, all]) => [name, all])),
  }))
  await writeFile(
    flags.json,
    `${JSON.stringify({ conditions, summaries, origin, unrelated, goals: judge(findings), raw }, undefined, 2)}\n`,
  )
}
if (flags.chart !== undefined) {
  const shown = new Set(loads.filter(({ name }) => name !== 'serial').map(describe))
  await writeFile(flags.chart, renderChart(summaries.filter(({ load }) => shown.has(load))))
}

async function measureOthers() {
  onProgress('an unrelated query')
  const unrelated = await measureUnrelated({ url: database.url, rounds, time: Math.max(time, 400) })
  onProgress('locks by hand')
  return { unrelated, origin: await measureOrigin({ rounds: flags.quick ? 1 : 3, limit: flags.quick ? 2_000 : 30_000 }) }
}
