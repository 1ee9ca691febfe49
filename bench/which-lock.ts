/**
 * Which lock costs what: 100 callers withdraw from one wallet, 500 times in all, under each lock of
 * rowlock and under those that people write by hand. Every round is checked against the ledger.
 *
 *   npm run bench:locks              a table
 *   npm run bench:locks -- --json    the same as JSON
 *
 * Redis and MariaDB take part where REDIS_URL and MARIADB_URL are set.
 */
import { loadavg } from 'node:os'
import process from 'node:process'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { median } from 'simple-statistics'
import { applyMigrations, checkLedger, startDatabase } from 'rowlock/testing'
import { type Round, runCallers } from './callers.js'
import { claimContestants, runWorkers } from './which-lock/claims.js'
import { openContestants, POOL, type Contestant } from './which-lock/contestants.js'

const CALLERS = 100
const OPERATIONS = 500
const ROUNDS = 3
const ALONE = 200
// The lock tables would take minutes; what they have done by then says enough.
const LIMIT = 30_000

interface Result {
  readonly name: string
  readonly scope: string
  /** One caller, in milliseconds. */
  readonly alone: number
  readonly hot: Round
}

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
await using database = await startDatabase()
await applyMigrations(database.url, 'prisma/migrations')
await using contestants = await openContestants(database.url, { redis: process.env['REDIS_URL'], mariadb: process.env['MARIADB_URL'] })

const load = loadavg()[0]!
const rounds = new Map<Contestant, Round[]>(contestants.all.map((one) => [one, []]))
const alone = new Map<Contestant, number>()
for (let round = 0; round < ROUNDS; round++) {
  for (const contestant of contestants.all) {
    const before = rounds.get(contestant)!
    if (before.some(({ done }) => done < OPERATIONS)) continue
    alone.set(contestant, (await runVerified(contestant, 1, ALONE)).p50)
    before.push(await runVerified(contestant, CALLERS, OPERATIONS))
  }
}
const claims = claimContestants(contestants.prisma).map((one) => ({ ...one, rounds: [] as { seconds: number; done: number }[] }))
for (let round = 0; round < ROUNDS; round++) {
  for (const one of claims) {
    if (one.rounds.some(({ done }) => done < OPERATIONS)) continue
    progress(one.name)
    one.rounds.push(await runWorkers(contestants.prisma, one, { workers: CALLERS, jobs: OPERATIONS, limit: LIMIT }))
  }
}
const results = contestants.all.map((one): Result => ({ ...one, alone: alone.get(one)!, hot: medianOf(rounds.get(one)!) }))
const claimed = claims.map(({ name, rounds: all }) => ({
  name,
  seconds: median(all.map(({ seconds }) => seconds)),
  done: Math.min(...all.map(({ done }) => done)),
}))
console.log(values.json ? JSON.stringify({ load, results, claimed }, undefined, 2) : render())

async function runVerified(contestant: Contestant, callers: number, operations: number): Promise<Round> {
  await contestants.reset()
  progress(`${contestant.name}, ${callers === 1 ? 'alone' : `${callers} callers`}`)
  const round = await runCallers({ callers, operations, limit: LIMIT, run: (_, signal) => contestant.withdraw(signal) })
  if (contestant.verify) await contestant.verify(round.done)
  else await checkLedger(contestants.prisma, { kind: 'WITHDRAWAL', successes: round.done })
  return round
}

function describeTime(seconds: number, done: number): string {
  return done < OPERATIONS ? `${done} done in ${seconds.toFixed(0)}` : seconds.toFixed(2)
}

/** Where it is, for who waits; the tables go to standard output. */
function progress(what: string): void {
  process.stderr.write(`${what}\n`)
}

function medianOf(all: readonly Round[]): Round {
  const of = (key: keyof Round) => median(all.map((round) => round[key]))
  return { rate: of('rate'), p50: of('p50'), p99: of('p99'), done: of('done') }
}

function render(): string {
  const table = new Table({
    head: ['lock', 'keeps apart', `one caller, ms`, `${OPERATIONS} by ${CALLERS} callers, s`, 'p50 ms', 'p99 ms'],
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const { name, scope, alone: one, hot } of results) {
    table.push([name, scope, one.toFixed(2), describeTime(hot.done / hot.rate, hot.done), hot.p50.toFixed(0), hot.p99.toFixed(0)])
  }
  const jobs = new Table({
    head: ['claim', `${OPERATIONS} jobs by ${CALLERS} workers, s`],
    colAligns: ['left', 'right'],
    style: { head: [], border: [] },
  })
  for (const { name, seconds, done } of claimed) jobs.push([name, describeTime(seconds, done)])
  return [
    `${CALLERS} callers on one wallet, median of ${ROUNDS} interleaved rounds; load ${load.toFixed(1)}`,
    table.toString(),
    `${CALLERS} workers on one queue, pool of ${POOL}`,
    jobs.toString(),
  ].join('\n\n')
}
