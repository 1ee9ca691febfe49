/**
 * One process of the measurement: a client of one build of rowlock, for whom nobody, a function or OpenTelemetry listens.
 * It has the process to itself, as the code of others would leave its marks in what V8 compiles.
 */
import { metrics, trace } from '@opentelemetry/api'
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, type SpanProcessor } from '@opentelemetry/sdk-trace-base'
import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import { runCallers } from '../callers.js'
import { lockingInMemory } from './stand-in.js'

export interface Job {
  /** The entry of the build. */
  readonly entry: string
  readonly listener: 'nobody' | 'onEvent' | 'OpenTelemetry'
  /** Where the database is; without it, a transaction is what rowlock does for it. */
  readonly url?: string
  /** Of whom each has a wallet. */
  readonly users: number
  /** How many transactions a round has. */
  readonly transactions: number
}

const CALLERS = 4

type Build = typeof import('rowlock')
type Options = Parameters<Build['rowLocks']>[0]

const { entry, listener, url, users, transactions } = JSON.parse(process.argv[2]!) as Job
if (listener === 'OpenTelemetry') registerTelemetry()
const build = (await import(entry)) as Build
const options = listener === 'onEvent' ? { onEvent: () => undefined } : {}
const lockOne = url === undefined ? await lockingInMemory(build, options) : lockingIn(url, build, options)

process.on('message', () => void runRound().then((time) => process.send!(time)))
process.on('disconnect', () => process.exit())

/** Microseconds of processor time for one transaction. */
async function runRound(): Promise<number> {
  const begun = process.cpuUsage()
  await runCallers({ callers: CALLERS, operations: transactions, run: (index) => lockOne(1 + ((index * 7_919) % users)) })
  const { user, system } = process.cpuUsage(begun)
  return (user + system) / transactions
}

function lockingIn(connectionString: string, { lockable, rowLocks }: Build, options: Options) {
  const adapter = lockable(new PrismaPg({ connectionString, max: CALLERS }))
  const prisma = new PrismaClient({ adapter }).$extends(rowLocks(options))
  return (userId: number): Promise<unknown> =>
    prisma.$transactionWithRetry((tx) => tx.wallet.findUniqueOrThrow({ where: { userId }, lock: 'forNoKeyUpdate' }))
}

function registerTelemetry(): void {
  const ignoring: SpanProcessor = {
    onStart: () => undefined,
    onEnd: () => undefined,
    forceFlush: async () => undefined,
    shutdown: async () => undefined,
  }
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [ignoring] }))
  const exporter = new InMemoryMetricExporter(AggregationTemporality.DELTA)
  const readers = [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })]
  metrics.setGlobalMeterProvider(new MeterProvider({ readers }))
}
