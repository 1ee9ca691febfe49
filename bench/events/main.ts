/**
 * What events cost: the processor time of a transaction that locks one row, of the code with the events taken out
 * (`without-events.patch`), with nobody listening, with `onEvent`, and with OpenTelemetry's SDKs. Most of it is Prisma's,
 * and varies by more than what is looked for; so rowlock's part is measured by itself, with a stand-in for Prisma and the
 * database, and set against a whole transaction.
 *
 * Two processes that run the same code differ for as long as they live, by where their code and their heap come to lie.
 * So every contestant is measured in many of them, which take turns with those of the others. The baseline is there twice,
 * which shows what chance does.
 *
 *   npm run bench:events              15 minutes; the machine should have nothing else to do
 *   npm run bench:events -- --quick   fewer processes, for a first look
 *   npm run bench:events -- --json    the same as JSON
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { PrismaPg } from '@prisma/adapter-pg'
import Table from 'cli-table3'
import { startDatabase } from 'rowlock/testing'
import { mean, median, sampleStandardDeviation } from 'simple-statistics'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import { startAsked } from '../asked-process.js'
import type { Job } from './contestant.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const USERS = 1_000

const { values: flags } = parseArgs({
  options: { json: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false } },
})
const PROCESSES = flags.quick ? 3 : 16
// In the first of them V8 compiles what is hot.
const WARM_UP = 60
const TURNS = 60

interface Contestant {
  readonly name: string
  readonly build: string
  readonly listener: Job['listener']
  /** Whether Prisma and PostgreSQL take part. */
  readonly whole?: boolean
}

const without = compile('without-events', join(root, 'bench/events/without-events.patch'))
const now = compile('now')
const contestants: readonly Contestant[] = [
  { name: 'without events', build: without, listener: 'nobody' },
  { name: 'the same again', build: without, listener: 'nobody' },
  { name: 'nobody listens', build: now, listener: 'nobody' },
  { name: 'onEvent', build: now, listener: 'onEvent' },
  { name: 'OpenTelemetry', build: now, listener: 'OpenTelemetry' },
  // The last one is what the others are a part of.
  { name: 'nobody listens, Prisma and PostgreSQL', build: now, listener: 'nobody', whole: true },
]

/** Compiles the sources, with a patch or without. @returns The entry. */
function compile(name: string, patch?: string): string {
  const folder = join(root, '.tmp', `bench-events-${name}`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const file of ['src', 'tsconfig.json', 'tsconfig.build.json', 'package.json']) {
    cpSync(join(root, file), join(folder, file), { recursive: true })
  }
  // Without a repository of its own, the folder's paths would be taken for the checkout's.
  if (patch) execFileSync('git', ['apply', patch], { cwd: folder, env: { ...process.env, GIT_DIR: join(folder, '.git') } })
  // What is taken out leaves imports behind.
  const unused = ['--noUnusedLocals', 'false', '--noUnusedParameters', 'false']
  const tsc = [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json', ...unused]
  if (spawnSync(process.execPath, tsc, { cwd: folder, stdio: 'inherit' }).status !== 0) throw new Error(`${name} does not compile.`)
  return join(folder, 'dist/index.js')
}

await using database = await startDatabase({ migrations: 'prisma/migrations' })
await seed()
const load = loadavg()[0]!
/** Of each contestant, the microseconds of processor time for a transaction in each of its processes. */
const times: number[][] = contestants.map(() => [])
for (let batch = 0; batch < PROCESSES; batch++) {
  for (const [index, time] of (await measureSideBySide(batch)).entries()) times[index]!.push(time)
}
console.log(flags.json ? JSON.stringify({ load, processes: PROCESSES, ...summarize() }, undefined, 2) : render())

async function seed(): Promise<void> {
  const admin = new PrismaClient({ adapter: new PrismaPg({ connectionString: database.url, max: 1 }) })
  await admin.$executeRaw`INSERT INTO "User" ("id", "name") SELECT n, 'user ' || n FROM generate_series(1, ${USERS}::int) AS n`
  await admin.$executeRaw`INSERT INTO "Wallet" ("userId", "balance") SELECT n, 1 FROM generate_series(1, ${USERS}::int) AS n`
  await admin.$executeRaw`ANALYZE`
  await admin.$disconnect()
}

/** @returns The microseconds of a transaction of each contestant, in a process of its own. */
async function measureSideBySide(batch: number): Promise<number[]> {
  // Started in another order each time, as they differ by that too.
  const started = new Map(inTurn(contestants.length, batch).map((index) => [index, start(contestants[index]!)]))
  const processes = contestants.map((_, index) => started.get(index)!)
  await takeTurns(processes, WARM_UP)
  const rounds = await takeTurns(processes, TURNS)
  for (const { end } of processes) await end()
  return rounds.map((each) => median(each))
}

/** In turns also to warm up: a process that has long been idle gives up what it has compiled. @returns The times of each. */
async function takeTurns(processes: readonly Started[], turns: number): Promise<number[][]> {
  const rounds: number[][] = processes.map(() => [])
  for (let turn = 0; turn < turns; turn++) {
    for (const index of inTurn(processes.length, turn)) rounds[index]!.push(await processes[index]!.ask('run'))
  }
  return rounds
}

/** The numbers below `count`, each time from another one, and forth and back: none comes behind the same one always. */
function inTurn(count: number, turn: number): number[] {
  const order = Array.from({ length: count }, (_, index) => (index + turn) % count)
  return turn % 2 === 0 ? order : order.reverse()
}

type Started = ReturnType<typeof start>

function start({ build: entry, listener, whole }: Contestant) {
  const job: Job = whole
    ? { entry, listener, users: USERS, transactions: 60, url: database.url }
    : { entry, listener, users: USERS, transactions: 500 }
  const script = new URL('contestant.ts', import.meta.url)
  return startAsked<number>(script, [JSON.stringify(job)], { cwd: root, execArgv: ['--import', 'tsx'] })
}

function summarize() {
  const [baseline] = times
  const whole = median(times.at(-1)!)
  const results = contestants.slice(0, -1).map(({ name }, index) => {
    const more = times[index]!.map((time, process) => time - baseline![process]!)
    const standardError = sampleStandardDeviation(more) / Math.sqrt(more.length)
    return { name, cpu: median(times[index]!), more: mean(more), standardError, share: mean(more) / whole }
  })
  return { whole, results }
}

function render(): string {
  const { whole, results } = summarize()
  const table = new Table({
    head: ['', 'CPU, µs', 'more, µs', '± 2 standard errors', 'of a whole transaction'],
    colAligns: ['left', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const { name, cpu, more, standardError, share } of results) {
    table.push([name, cpu.toFixed(2), more.toFixed(2), (2 * standardError).toFixed(2), `${(100 * share).toFixed(2)} %`])
  }
  return (
    `What rowlock does for a transaction that locks one row; ${PROCESSES} processes each, load ${load.toFixed(1)} before.\n` +
    `With Prisma and PostgreSQL the transaction takes ${whole.toFixed(0)} µs.\n\n${table.toString()}`
  )
}
