/**
 * An ordinary transaction (lock a wallet, check, update it, write its ledger) in two ways: as Prisma's
 * users write it today, with a raw SELECT … FOR UPDATE in `$transaction`, and with `lock` in
 * `$transactionWithRetry`; and what the `lock` itself costs. Rounds are interleaved, and each is verified against the
 * ledger. On a machine
 * that does something else as well the numbers say little: look at the load before.
 *
 *   npm run bench:ordinary                 a table
 *   npm run bench:ordinary -- --json       the same as JSON
 *   npm run bench:ordinary -- --quick      shorter rounds, for a first look
 *   npm run bench:ordinary -- --only rowlock   one contestant, to profile it (node --cpu-prof)
 */
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { PrismaPg } from '@prisma/adapter-pg'
import Table from 'cli-table3'
import { lockable, rowLocks } from 'rowlock'
import { startDatabase } from 'rowlock/testing'
import { median } from 'simple-statistics'
import { PrismaClient } from '../src/generated/prisma/client.js'
import { runCallers, type Round } from './callers.js'
import { type LatencyProxy, startLatencyProxy } from './latency-proxy.js'

const POOL_SIZE = 10
const WALLETS = 10_000
const BALANCE = 10_000_000

const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    load: { type: 'string' },
  },
})
const ROUNDS = flags.quick ? 3 : 7
const OPERATIONS = flags.quick ? 1_000 : 4_000

interface Load {
  readonly name: string
  readonly callers: number
  /** Added to every round trip, in milliseconds. */
  readonly network: number
  readonly operations: number
  readonly wallet: (index: number) => number
}

const hot = () => 1
const uniform = (index: number) => 1 + ((index * 7_919) % WALLETS)
const loads: readonly Load[] = [
  { name: 'hot', callers: 100, network: 0, operations: OPERATIONS, wallet: hot },
  { name: 'uniform', callers: 64, network: 0, operations: OPERATIONS, wallet: uniform },
  { name: 'hot, 1 ms network', callers: 100, network: 1, operations: OPERATIONS / 8, wallet: hot },
  { name: 'uniform, 1 ms network', callers: 64, network: 1, operations: OPERATIONS / 2, wallet: uniform },
].filter(({ name }) => flags.load === undefined || name === flags.load)

const transactionOptions = { maxWait: 60_000, timeout: 60_000 }

interface Contestant {
  readonly name: string
  readonly open: (url: string) => { readonly withdraw: (userId: number) => Promise<unknown>; readonly close: () => Promise<void> }
}

const contestants: readonly Contestant[] = [
  { name: 'Prisma, raw FOR UPDATE', open: (url: string) => withPrisma(url) },
  { name: 'rowlock, unprepared', open: (url: string) => withRowlock(url, false) },
  { name: 'rowlock', open: (url: string) => withRowlock(url, true) },
].filter(({ name }) => flags.only === undefined || name === flags.only)

function withPrisma(connectionString: string) {
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString, max: POOL_SIZE }) })
  const withdraw = (userId: number) =>
    prisma.$transaction(async (tx) => {
      const [wallet] = await tx.$queryRaw<[{ id: number; balance: { minus(amount: number): never; lessThan(amount: number): boolean } }]>`
        SELECT "id", "balance" FROM "Wallet" WHERE "userId" = ${userId} FOR UPDATE`
      if (wallet.balance.lessThan(1)) throw new Error('The balance is too low.')
      const balance = wallet.balance.minus(1)
      await tx.wallet.update({ where: { id: wallet.id }, data: { balance } })
      await tx.walletEntry.create({ data: { walletId: wallet.id, kind: 'WITHDRAWAL', amount: -1, balance } })
    }, transactionOptions)
  return { withdraw, close: () => prisma.$disconnect() }
}

function withRowlock(connectionString: string, preparedStatements: boolean) {
  const adapter = lockable(new PrismaPg({ connectionString, max: POOL_SIZE }), { preparedStatements })
  const prisma = new PrismaClient({ adapter }).$extends(rowLocks())
  const withdraw = (userId: number) =>
    prisma.$transactionWithRetry(async (tx) => {
      const wallet = await tx.wallet.findUniqueOrThrow({ where: { userId }, lock: 'forUpdate' })
      if (wallet.balance.lessThan(1)) throw new Error('The balance is too low.')
      const balance = wallet.balance.minus(1)
      await tx.wallet.update({ where: { id: wallet.id }, data: { balance } })
      await tx.walletEntry.create({ data: { walletId: wallet.id, kind: 'WITHDRAWAL', amount: -1, balance } })
    }, transactionOptions)
  return { withdraw, close: () => prisma.$disconnect() }
}

interface Measured extends Round {
  /** CPU seconds of this process for 1,000 operations. */
  readonly cpu: number
  /** What was sent to the server for one operation; undefined where nobody counts. */
  readonly roundTrips: number | undefined
}

await using database = await startDatabase({ migrations: 'prisma/migrations', durable: true })
const admin = new PrismaClient({ adapter: new PrismaPg({ connectionString: database.url, max: 1 }) })
const machineLoad = loadavg()[0]!
await seed()
const results = new Map<Load, Map<Contestant, Measured[]>>()
for (const load of loads) results.set(load, await runInterleaved(load))
const lockOption = flags.only === undefined && flags.load === undefined ? await measureLockOption() : undefined
await admin.$disconnect()
console.log(flags.json ? JSON.stringify({ load: machineLoad, results: summarize(), lockOption }, undefined, 2) : render())

async function seed(): Promise<void> {
  await admin.$executeRaw`INSERT INTO "User" ("id", "name") SELECT n, 'user ' || n FROM generate_series(1, ${WALLETS}::int) AS n`
  await admin.$executeRaw`INSERT INTO "Wallet" ("userId", "balance") SELECT n, ${BALANCE} FROM generate_series(1, ${WALLETS}::int) AS n`
  await admin.$executeRaw`ANALYZE`
}

/** Contestants take turns, so that a change of the machine's mood meets all of them. */
async function runInterleaved(load: Load): Promise<Map<Contestant, Measured[]>> {
  const proxy = load.network > 0 ? await startLatencyProxy(database.url, load.network) : undefined
  const opened = contestants.map((contestant) => ({ contestant, ...contestant.open(proxy?.url ?? database.url) }))
  const done = new Map<Contestant, Measured[]>(contestants.map((contestant) => [contestant, []]))
  for (const { withdraw } of opened) await runRound({ ...load, operations: load.operations / 4 }, withdraw, proxy)
  for (let round = 0; round < ROUNDS; round++) {
    for (const { contestant, withdraw } of opened) done.get(contestant)!.push(await runRound(load, withdraw, proxy))
  }
  for (const { close } of opened) await close()
  proxy?.stop()
  return done
}

async function runRound(load: Load, withdraw: (userId: number) => Promise<unknown>, proxy: LatencyProxy | undefined): Promise<Measured> {
  await proxy?.takeSent()
  const before = process.cpuUsage()
  const round = await runCallers({ ...load, run: (index) => withdraw(load.wallet(index)) })
  const { user, system } = process.cpuUsage(before)
  const sent = await proxy?.takeSent()
  await verify(round.done)
  return { ...round, cpu: (user + system) / 1_000 / round.done, roundTrips: sent === undefined ? undefined : sent / round.done }
}

/** Every withdrawal has left its entry and its mark on a balance; all is put back for the next round. */
async function verify(withdrawals: number): Promise<void> {
  const [{ taken, entries }] = await admin.$queryRaw<[{ taken: number; entries: number }]>`
    SELECT (SELECT sum(${BALANCE} - "balance")::int FROM "Wallet") AS taken, (SELECT count(*)::int FROM "WalletEntry") AS entries`
  if (taken !== withdrawals || entries !== withdrawals)
    throw new Error(`${withdrawals} withdrawals took ${taken} and left ${entries} entries.`)
  await admin.$executeRaw`UPDATE "Wallet" SET "balance" = ${BALANCE} WHERE "balance" <> ${BALANCE}`
  await admin.$executeRaw`TRUNCATE "WalletEntry" CASCADE`
  await admin.$executeRaw`VACUUM "Wallet"`
}

interface FindCost {
  /** Milliseconds. */
  readonly plain: number
  readonly locked: number
}

/** The same find with and without `lock`, in turns in one transaction. */
async function measureLockOption(): Promise<FindCost> {
  const prisma = new PrismaClient({ adapter: lockable(new PrismaPg({ connectionString: database.url, max: 1 })) }).$extends(rowLocks())
  const costs: FindCost[] = []
  for (let round = 0; round < OPERATIONS / 10; round++) {
    costs.push(
      await prisma.$transactionWithRetry(async (tx) => {
        const time = async (find: () => PromiseLike<unknown>) => {
          const begun = performance.now()
          for (let index = 0; index < 10; index++) await find()
          return (performance.now() - begun) / 10
        }
        const where = { userId: 1 }
        const plain = await time(() => tx.wallet.findFirstOrThrow({ where }))
        return { plain, locked: await time(() => tx.wallet.findFirstOrThrow({ where, lock: 'forUpdate' })) }
      }, transactionOptions),
    )
  }
  await prisma.$disconnect()
  return { plain: median(costs.map(({ plain }) => plain)), locked: median(costs.map(({ locked }) => locked)) }
}

function summarize() {
  return [...results].flatMap(([load, done]) => {
    const [base] = [...done.values()] as [Measured[]]
    return [...done].map(([{ name }, rounds]) => ({
      load: load.name,
      contestant: name,
      rate: median(rounds.map(({ rate }) => rate)),
      // Within a round, as its contestants ran next to each other.
      ratio: median(rounds.map(({ rate }, index) => rate / base[index]!.rate)),
      p50: median(rounds.map(({ p50 }) => p50)),
      p99: median(rounds.map(({ p99 }) => p99)),
      cpu: median(rounds.map(({ cpu }) => cpu)),
      roundTrips: rounds[0]!.roundTrips && median(rounds.map(({ roundTrips }) => roundTrips!)),
    }))
  })
}

function render(): string {
  const table = new Table({
    head: ['load', '', 'ops/s', 'ratio', 'p50, ms', 'p99, ms', 'CPU s per 1,000', 'round trips'],
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const { load, contestant, rate, ratio, p50, p99, cpu, roundTrips } of summarize()) {
    const numbers = [rate.toFixed(0), ratio.toFixed(2), p50.toFixed(1), p99.toFixed(1), cpu.toFixed(2), roundTrips?.toFixed(2) ?? '']
    table.push([load, contestant, ...numbers])
  }
  const conditions = `pool of ${POOL_SIZE}; medians of ${ROUNDS} interleaved rounds; load ${machineLoad.toFixed(1)} before`
  const find = lockOption && `a find ${lockOption.plain.toFixed(3)} ms, with lock ${lockOption.locked.toFixed(3)} ms (medians)`
  return [conditions, table.toString(), ...(find ? [find] : [])].join('\n\n')
}
