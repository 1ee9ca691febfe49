/**
 * How fast the explorer is, and what the time goes to. On a machine that does something else as well the
 * numbers say little: look at the load before.
 *
 *   npm run bench:explore              two tables
 *   npm run bench:explore -- --json    the same as JSON
 */
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { withdraw } from 'rowlock/repositories'
import { applyMigrations, startDatabase } from 'rowlock/testing'
import { exploreScenario, lockingClient, plainClient } from '../test/schedules/scenarios/explore-scenario.js'
import { naiveTwins } from '../test/schedules/scenarios/naive-twins.js'
import { createWallet, joined, repeated, type Scenario } from '../test/schedules/scenarios/scenario.js'
import type { TestClient } from '../test/support/client.js'
import { profile, type Profile } from './profile.js'

const SCHEDULES = 400
const SEED = 1

interface Finding {
  readonly title: string
  readonly verdict: string
  readonly schedules: number
  readonly preemptions: number
  /** Milliseconds, the start of the clients and the second run of the counterexample included. */
  readonly duration: number
}

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
await using database = await startDatabase()
await applyMigrations(database.url, 'prisma/migrations')

const load = loadavg()[0]!
const withdrawals = await timeWithdrawals(database.url)
const findings: Finding[] = []
for (const twin of naiveTwins) findings.push(await timeFinding(twin, database.url))
console.log(values.json ? JSON.stringify({ load, withdrawals, findings }, undefined, 2) : render())

async function timeWithdrawals(url: string) {
  // In transactions: as one statement each there would be nothing to explore.
  const scenario: Scenario<TestClient> = joined({
    title: 'two withdrawals',
    setup: (prisma) => createWallet(prisma, 100),
    actors: repeated(2, (prisma) => withdraw(prisma, { userId: 1, amount: 60 })),
    invariant: async (prisma) => (await prisma.walletEntry.count()) === 2,
  })
  const explore = (schedules: number) =>
    exploreScenario(scenario, lockingClient, url, { mode: 'sampled', seed: SEED, schedules, time: 120_000 })
  // The first ones compile the queries and warm up the engine.
  await explore(50)
  const report = await explore(SCHEDULES)
  if (report.verdict !== 'held') throw new Error(report.text())
  const { duration } = report.counts
  // In a run of its own: the profiler takes its share.
  const measured = await profile(() => explore(SCHEDULES))
  return { schedules: SCHEDULES, duration, perSecond: Math.round((SCHEDULES / duration) * 1_000), ...perSchedule(measured) }
}

function perSchedule({ wall, cpu }: Profile) {
  const each = (times: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(times).map(([what, time]) => [what, Number((time / SCHEDULES).toFixed(2))]))
  return { wall: each(wall), cpu: each(cpu) }
}

async function timeFinding(twin: (typeof naiveTwins)[number], url: string): Promise<Finding> {
  const begun = performance.now()
  const report = await exploreScenario(twin, plainClient, url)
  const duration = Math.round(performance.now() - begun)
  const preemptions = report.verdict === 'violated' ? report.counterexample.preemptions : Number.NaN
  return { title: twin.title, verdict: report.verdict, schedules: report.counts.schedules, preemptions, duration }
}

function render(): string {
  const { schedules, perSecond, wall, cpu } = withdrawals
  const times = new Table({
    head: ['ms a schedule', 'on the clock', 'on the CPU'],
    colAligns: ['left', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const what of new Set([...Object.keys(wall), ...Object.keys(cpu)])) times.push([what, wall[what] ?? '', cpu[what] ?? ''])
  const found = new Table({
    head: ['first counterexample', 'schedules', 'preemptions', 'ms'],
    colAligns: ['left', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const { title, schedules: tried, preemptions, duration } of findings) found.push([title, tried, preemptions, duration])
  return [
    `Two withdrawals through Prisma: ${perSecond} schedules a second (${schedules} of seed ${SEED}; load ${load.toFixed(1)})`,
    times.toString(),
    'Naive twins, from the call of `explore` to its report',
    found.toString(),
  ].join('\n\n')
}
