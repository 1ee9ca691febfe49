/**
 * What events cost: the CPU time of this process for a transaction that locks one row, with nobody listening, with
 * `onEvent`, and with OpenTelemetry's SDKs; and, given a commit, of the code as it was then. Rounds are interleaved in an
 * order that changes, and each is set against the round of the baseline next to it; the baseline is there twice, which shows
 * what two of the same differ by. Rounds are short and many: whatever else the machine does adds to a round and never takes
 * away, so that the least disturbed tenth of them says most.
 *
 *   npm run bench:events -- --before 6db504e   against the code of that commit
 *   npm run bench:events                       against rowLocks() without listeners
 *   npm run bench:events -- --json             the same as JSON
 *   npm run bench:events -- --quick            fewer rounds, for a first look
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { metrics, trace } from '@opentelemetry/api'
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, type SpanProcessor } from '@opentelemetry/sdk-trace-base'
import { PrismaPg } from '@prisma/adapter-pg'
import Table from 'cli-table3'
import { startDatabase } from 'rowlock/testing'
import { median, quantile } from 'simple-statistics'
import { PrismaClient } from '../src/generated/prisma/client.js'
import { runCallers } from './callers.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const WALLETS = 1_000
const CALLERS = 4

const { values: flags } = parseArgs({
  options: { before: { type: 'string' }, json: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false } },
})
const ROUNDS = flags.quick ? 40 : 400
const OPERATIONS = 40
const WARM_UP = 25

type Build = typeof import('rowlock')

interface Contestant {
  readonly name: string
  /** One of its own: the listeners of another would leave their marks in what V8 has compiled. */
  readonly build: Build
  readonly options?: Parameters<Build['rowLocks']>[0]
  /** Makes an SDK listen, until what it returns is called. */
  readonly listen?: () => () => void
}

const now = compile('now')
const before = flags.before === undefined ? now : compile('before', flags.before)
const baseline = flags.before === undefined ? 'nobody listens' : `before (${flags.before})`
const contestants: readonly Contestant[] = [
  { name: baseline, build: await copyOf(before) },
  { name: `${baseline}, again`, build: await copyOf(before) },
  ...(flags.before === undefined ? [] : [{ name: 'nobody listens', build: await copyOf(now) }]),
  { name: 'onEvent', build: await copyOf(now), options: { onEvent: () => undefined } },
  { name: 'OpenTelemetry', build: await copyOf(now), listen: registerTelemetry },
]

/** Compiles the sources of this checkout, or of a commit, both in the same way. @returns The folder. */
function compile(name: string, commit?: string): string {
  const folder = join(root, '.tmp', `bench-events-${name}`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const files = ['src', 'tsconfig.json', 'tsconfig.build.json', 'package.json']
  const archive =
    commit === undefined
      ? execFileSync('tar', ['-c', ...files], { cwd: root, maxBuffer: 1 << 28 })
      : execFileSync('git', ['archive', '--format=tar', commit, ...files], { cwd: root, maxBuffer: 1 << 28 })
  execFileSync('tar', ['-x', '-C', folder], { input: archive })
  // Not in the repository; the same for both.
  cpSync(join(root, 'src/generated'), join(folder, 'src/generated'), { recursive: true })
  const tsc = [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json']
  if (spawnSync(process.execPath, tsc, { cwd: folder, stdio: 'inherit' }).status !== 0) throw new Error(`${name} does not compile.`)
  return join(folder, 'dist')
}

/** A build, in a copy that nobody else has loaded. */
async function copyOf(folder: string): Promise<Build> {
  const copy = mkdtempSync(`${folder}-`)
  cpSync(folder, copy, { recursive: true })
  return (await import(join(copy, 'index.js'))) as Build
}

function registerTelemetry(): () => void {
  const ignoring: SpanProcessor = {
    onStart: () => undefined,
    onEnd: () => undefined,
    forceFlush: async () => undefined,
    shutdown: async () => undefined,
  }
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [ignoring] }))
  const exporter = new InMemoryMetricExporter(AggregationTemporality.DELTA)
  const meters = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })] })
  metrics.setGlobalMeterProvider(meters)
  return () => {
    trace.disable()
    metrics.disable()
    void meters.shutdown()
  }
}

await using database = await startDatabase({ migrations: 'prisma/migrations' })
await seed()
const opened = contestants.map((contestant) => ({ contestant, ...open(contestant) }))
const load = loadavg()[0]!
for (const each of opened) for (let round = 0; round < WARM_UP; round++) await runRound(each)
const cpu = new Map<Contestant, number[]>(contestants.map((contestant) => [contestant, []]))
for (let round = 0; round < ROUNDS; round++) {
  // Whoever comes after the same one each time would be measured with what that one left behind.
  const order = opened.map((_, index) => opened[(index + round) % opened.length]!)
  for (const each of round % 2 === 0 ? order : order.reverse()) cpu.get(each.contestant)!.push(await runRound(each))
}
for (const { close } of opened) await close()
console.log(flags.json ? JSON.stringify({ load, rounds: ROUNDS, results: summarize() }, undefined, 2) : render())

async function seed(): Promise<void> {
  const admin = new PrismaClient({ adapter: new PrismaPg({ connectionString: database.url, max: 1 }) })
  await admin.$executeRaw`INSERT INTO "User" ("id", "name") SELECT n, 'user ' || n FROM generate_series(1, ${WALLETS}::int) AS n`
  await admin.$executeRaw`INSERT INTO "Wallet" ("userId", "balance") SELECT n, 1 FROM generate_series(1, ${WALLETS}::int) AS n`
  await admin.$executeRaw`ANALYZE`
  await admin.$disconnect()
}

function open({ build, options }: Contestant) {
  const adapter = build.lockable(new PrismaPg({ connectionString: database.url, max: CALLERS }))
  const prisma = new PrismaClient({ adapter }).$extends(build.rowLocks(options))
  const lockOne = (index: number) =>
    prisma.$transactionWithRetry(
      (tx) => tx.wallet.findUniqueOrThrow({ where: { userId: 1 + ((index * 7_919) % WALLETS) }, lock: 'forNoKeyUpdate' }),
      { maxWait: 60_000, timeout: 60_000 },
    )
  return { lockOne, close: () => prisma.$disconnect() }
}

/** Microseconds of CPU for one transaction. */
async function runRound({
  contestant,
  lockOne,
}: {
  contestant: Contestant
  lockOne: (index: number) => Promise<unknown>
}): Promise<number> {
  const stop = contestant.listen?.()
  globalThis.gc?.()
  const begun = process.cpuUsage()
  await runCallers({ callers: CALLERS, operations: OPERATIONS, run: lockOne })
  const { user, system } = process.cpuUsage(begun)
  stop?.()
  return (user + system) / OPERATIONS
}

function summarize() {
  const base = cpu.get(contestants[0]!)!
  return [...cpu].map(([{ name }, rounds]) => {
    const ratios = rounds.map((round, index) => round / base[index]!)
    return {
      name,
      cpu: median(rounds),
      ratio: median(ratios),
      quartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)] as const,
      ofMedians: median(rounds) / median(base),
      ofTenths: quantile(rounds, 0.1) / quantile(base, 0.1),
    }
  })
}

function render(): string {
  const table = new Table({
    head: ['', 'CPU, µs', 'of least tenths', 'of medians', 'median of ratios', 'quartiles'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const { name, cpu: microseconds, ratio, quartiles, ofMedians, ofTenths } of summarize()) {
    const spread = quartiles.map((quartile) => quartile.toFixed(3)).join(' – ')
    table.push([name, microseconds.toFixed(0), ofTenths.toFixed(3), ofMedians.toFixed(3), ratio.toFixed(3), spread])
  }
  return `A transaction that locks one row; ${ROUNDS} interleaved rounds of ${OPERATIONS}, load ${load.toFixed(1)} before\n\n${table.toString()}`
}
