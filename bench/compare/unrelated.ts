import { setTimeout as sleep } from 'node:timers/promises'
import { withdraw } from 'rowlock/repositories'
import { median, quantile } from 'simple-statistics'
import { runCallers } from '../callers.js'
import { openRowlock } from './contestants/rowlock.js'

const CALLERS = 500
const POOL = 10
/** Milliseconds between two queries; they are sent whether or not the ones before are answered. */
const INTERVAL = 5

/** What an unrelated query's p99 becomes on the pool that 500 callers of one row share with it, to that without them. */
export interface Unrelated {
  /** Milliseconds. */
  readonly idle: number
  readonly gated: number
  readonly withdraw: number
}

/** @param time Of a round, in milliseconds. */
export async function measureUnrelated({ url, rounds, time }: { url: string; rounds: number; time: number }): Promise<Unrelated> {
  const { prisma, close } = openRowlock({ url, pool: POOL })
  const hot = { userId: 1, amount: 1 }
  const probe = async () => {
    const called = performance.now()
    await prisma.wallet.findUniqueOrThrow({ where: { userId: 2 } })
    return performance.now() - called
  }
  const p99During = async (run?: () => Promise<unknown>) => {
    const calling = run && runCallers({ callers: CALLERS, operations: Infinity, limit: time, run })
    const probes: Promise<number>[] = []
    for (const begun = performance.now(); performance.now() - begun < time; await sleep(INTERVAL)) probes.push(probe())
    const latencies = await Promise.all(probes)
    await calling
    return quantile(latencies, 0.99)
  }
  const options = { maxWait: 60_000, timeout: 60_000, gate: hot.userId }
  const gated = () => prisma.$transactionWithRetry((tx) => withdraw(tx, hot), options)
  const measured: Unrelated[] = []
  // The first round warms up, and is not counted.
  for (let round = 0; round <= rounds; round++) {
    const idle = await p99During()
    const [atGate, atRow] = [await p99During(gated), await p99During(() => withdraw(prisma, hot))]
    if (round > 0) measured.push({ idle, gated: atGate / idle, withdraw: atRow / idle })
  }
  await close()
  const of = (what: keyof Unrelated) => median(measured.map((one) => one[what]))
  return { idle: of('idle'), gated: of('gated'), withdraw: of('withdraw') }
}
