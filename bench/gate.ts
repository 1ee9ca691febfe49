/**
 * What 500 callers of one row cost everyone else on the same pool of 10 connections, and what they get done,
 * without a gate and with gates of several widths. Rounds are interleaved, and each is verified against the
 * ledger. On a machine that does something else as well the numbers say little: look at the load before.
 *
 *   npm run bench:gate               a table
 *   npm run bench:gate -- --json     the same as JSON
 *   npm run bench:gate -- --quick    shorter rounds, for a first look
 */
import { loadavg } from 'node:os'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { PrismaPg } from '@prisma/adapter-pg'
import Table from 'cli-table3'
import { lockable, rowLocks } from 'rowlock'
import { startDatabase } from 'rowlock/testing'
import { median, quantile } from 'simple-statistics'
import { PrismaClient } from '../src/generated/prisma/client.js'

const POOL_SIZE = 10
const CALLERS = 500
/** Milliseconds between two unrelated queries; they are sent whether or not the ones before are answered. */
const PROBE_INTERVAL = 5
const HOT = 1
const UNRELATED = 2
const BALANCE = 10_000_000
const WIDTHS = [1, 2, 4]

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false } } })
const ROUNDS = values.quick ? 3 : 7
const ROUND_TIME = values.quick ? 1_000 : 2_000

type Gate = { readonly width: number } | undefined

interface Contestant {
  readonly title: string
  readonly callers: number
  readonly gate: Gate
}

const contestants: readonly Contestant[] = [
  { title: 'idle: no callers', callers: 0, gate: undefined },
  { title: 'without a gate', callers: CALLERS, gate: undefined },
  ...WIDTHS.map((width) => ({ title: `gate of width ${width}`, callers: CALLERS, gate: { width } })),
]

/** Times are milliseconds. */
interface Round {
  /** Withdrawals a second from the hot row. */
  readonly rate: number
  /** From the call of an unrelated query to its answer. */
  readonly p50: number
  readonly p99: number
  /** How late this process came to what it had to do: for everyone in it, whatever they ask. */
  readonly loopDelay: number
}

type Row = Round & { readonly title: string; readonly rateRatio: number; readonly p99Ratio: number }

await using database = await startDatabase({ migrations: 'prisma/migrations', durable: true })
const prisma = createClient(database.url)
const load = loadavg()[0]!
await prepare()
const rounds = await runInterleaved()
await prisma.$disconnect()
const rows = summarize(rounds)
console.log(values.json ? JSON.stringify({ load, pool: POOL_SIZE, callers: CALLERS, rounds, medians: rows }, undefined, 2) : render(rows))

function createClient(connectionString: string) {
  const adapter = new PrismaPg({ connectionString, max: POOL_SIZE })
  return new PrismaClient({ adapter: lockable(adapter) }).$extends(rowLocks())
}

async function prepare(): Promise<void> {
  for (const id of [HOT, UNRELATED]) {
    await prisma.user.create({ data: { id, name: `user ${id}`, wallet: { create: { balance: BALANCE } } } })
  }
  // Opens the connections, compiles the queries, and lets the engine warm up.
  for (const contestant of contestants) await runRound(contestant, ROUND_TIME / 2)
}

/** Contestants take turns, so that a change of the machine's mood meets all of them. */
async function runInterleaved(): Promise<Map<Contestant, Round[]>> {
  const results = new Map<Contestant, Round[]>(contestants.map((contestant) => [contestant, []]))
  for (let round = 0; round < ROUNDS; round++) {
    for (const [contestant, done] of results) done.push(await runRound(contestant, ROUND_TIME))
  }
  return results
}

async function runRound({ callers, gate }: Contestant, time: number): Promise<Round> {
  const begun = performance.now()
  const isOver = () => performance.now() - begun >= time
  const loop = monitorEventLoopDelay({ resolution: 1 })
  loop.enable()
  const calling = Array.from({ length: callers }, () => withdrawUntil(isOver, gate))
  const latencies = await probeUntil(isOver)
  loop.disable()
  const withdrawals = (await Promise.all(calling)).flat()
  await verify(withdrawals.length)
  return {
    rate: (withdrawals.filter((end) => end - begun <= time).length / time) * 1_000,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    loopDelay: loop.percentile(99) / 1e6,
  }
}

/** One caller, who comes back as soon as it is served; returns when it was. */
async function withdrawUntil(isOver: () => boolean, gate: Gate): Promise<number[]> {
  const ends: number[] = []
  while (!isOver()) {
    await withdraw(gate)
    ends.push(performance.now())
  }
  return ends
}

async function withdraw(gate: Gate): Promise<void> {
  // Without a gate a caller is to wait for its connection, and not to fail: both have the same to do.
  const options = { maxWait: 60_000, timeout: 60_000, ...(gate && { gate }) }
  await prisma.wallet.withLock(
    { where: { userId: HOT } },
    async (wallet, tx) => {
      const balance = wallet.balance.minus(1)
      await tx.wallet.update({ where: { id: wallet.id }, data: { balance } })
      await tx.walletEntry.create({ data: { walletId: wallet.id, kind: 'WITHDRAWAL', amount: -1, balance } })
    },
    options,
  )
}

async function probeUntil(isOver: () => boolean): Promise<number[]> {
  const probes: Promise<number>[] = []
  while (!isOver()) {
    probes.push(probe())
    await sleep(PROBE_INTERVAL)
  }
  return Promise.all(probes)
}

async function probe(): Promise<number> {
  const called = performance.now()
  await prisma.wallet.findUniqueOrThrow({ where: { userId: UNRELATED } })
  return performance.now() - called
}

/** Every withdrawal has left its entry and its mark on the balance; both are put back for the next round. */
async function verify(withdrawals: number): Promise<void> {
  const { id, balance } = await prisma.wallet.findUniqueOrThrow({ where: { userId: HOT } })
  const { count } = await prisma.walletEntry.deleteMany({ where: { walletId: id } })
  if (count !== withdrawals || !balance.equals(BALANCE - withdrawals)) {
    throw new Error(`${withdrawals} withdrawals left ${count} entries and a balance of ${balance.toString()}.`)
  }
  await prisma.wallet.update({ where: { id }, data: { balance: BALANCE } })
  await prisma.$executeRaw`VACUUM "Wallet", "WalletEntry"`
}

function summarize(results: Map<Contestant, Round[]>): Row[] {
  const [idle, ungated] = [...results.values()] as [Round[], Round[]]
  // Ratios within a round, as its contestants ran next to each other.
  const ratio = (of: Round[], to: Round[], what: 'rate' | 'p99') => median(of.map((round, index) => round[what] / to[index]![what]))
  return [...results].map(([{ title }, all]) => ({
    title,
    rate: median(all.map(({ rate }) => rate)),
    rateRatio: ratio(all, ungated, 'rate'),
    p50: median(all.map(({ p50 }) => p50)),
    p99: median(all.map(({ p99 }) => p99)),
    p99Ratio: ratio(all, idle, 'p99'),
    loopDelay: median(all.map(({ loopDelay }) => loopDelay)),
  }))
}

function render(all: readonly Row[]): string {
  const table = new Table({
    head: ['', 'hot row, ops/s', 'ratio', 'unrelated p50, ms', 'p99, ms', 'ratio to idle', 'event loop p99, ms'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const { title, rate, rateRatio, p50, p99, p99Ratio, loopDelay } of all) {
    table.push([title, rate.toFixed(0), rateRatio.toFixed(2), p50.toFixed(2), p99.toFixed(2), p99Ratio.toFixed(2), loopDelay.toFixed(2)])
  }
  const conditions = `${CALLERS} callers of one row, a pool of ${POOL_SIZE}; medians of ${ROUNDS} interleaved rounds`
  return `${conditions}, load ${load.toFixed(1)} before\n\n${table.toString()}`
}
