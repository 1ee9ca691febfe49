import { median } from 'simple-statistics'
import { type Round, runCallers } from '../callers.js'
import { type LatencyProxy, startLatencyProxy } from '../latency-proxy.js'
import { type Contestant, type Load, type Opened, pickUser } from './contestant.js'
import { openLedger } from './ledger.js'

/** Milliseconds at least. */
export const WARM_UP = 300
/** Operations for each connection. */
export const REOPENING = 4

export interface Measured extends Round {
  /** CPU seconds of this process for 1,000 operations; undefined where a program of its own made the calls. */
  readonly cpu: number | undefined
  /** What was sent to the server for one operation; undefined without a network, and for such a program, which connects anew. */
  readonly roundTrips: number | undefined
}

/** A round, and what was withdrawn in all: before the clock ran, too. */
type Turn = Measured & { readonly withdrawn: number }

/** The rounds of one load; the same index is the same turn of everyone. */
export type Rounds = ReadonlyMap<Contestant, readonly Measured[]>

export interface Plan {
  readonly url: string
  readonly pool: number
  readonly rounds: number
  /** Of a round, in milliseconds. */
  readonly time: number
  readonly onProgress: (what: string) => void
}

/** Contestants take turns, from another start in every round, so that a change of the machine's mood meets all of them. */
export async function measure(load: Load, contestants: readonly Contestant[], plan: Plan): Promise<Rounds> {
  const { url, pool, rounds, time, onProgress } = plan
  const proxy = load.network > 0 ? await startLatencyProxy(url, load.network) : undefined
  await using ledger = openLedger(url)
  const opened = new Map<Contestant, Opened>()
  for (const one of contestants) opened.set(one, await one.open({ url: proxy?.url ?? url, pool }))
  const done = new Map<Contestant, Measured[]>(contestants.map((one) => [one, []]))
  // The first turn opens the connections, compiles the queries and warms up the engine, and is not counted.
  for (let turn = 0; turn <= rounds; turn++) {
    const start = Math.floor((contestants.length * turn) / (rounds + 1))
    for (const one of [...contestants.slice(start), ...contestants.slice(0, start)]) {
      onProgress(`${describe(load)}, ${turn === 0 ? 'warm-up' : `round ${turn} of ${rounds}`}: ${one.name}`)
      const { withdrawn, ...measured } = await runRound(
        load,
        opened.get(one)!,
        { pool, time: turn === 0 ? Math.max(time, WARM_UP) : time },
        proxy,
      )
      await ledger.verify(one.name, withdrawn)
      if (turn > 0) done.get(one)!.push(measured)
    }
  }
  for (const one of opened.values()) await one.close()
  proxy?.stop()
  return done
}

async function runRound(
  load: Load,
  opened: Opened,
  { pool, time }: Pick<Plan, 'pool' | 'time'>,
  proxy: LatencyProxy | undefined,
): Promise<Turn> {
  if ('round' in opened) {
    const round = await opened.round(load, time)
    return { ...round, withdrawn: round.done, cpu: undefined, roundTrips: undefined }
  }
  const { callers, wallets } = load
  const run = (index: number) => opened.withdraw(pickUser(index, wallets))
  // Most pools close what was idle for seconds, as they are between their turns: they connect and prepare again before the clock runs.
  const before = await runCallers({ callers, operations: REOPENING * Math.min(callers, pool), run })
  await proxy?.takeSent()
  const used = process.cpuUsage()
  const round = await runCallers({ callers, operations: Infinity, limit: time, run })
  const { user, system } = process.cpuUsage(used)
  const sent = await proxy?.takeSent()
  return {
    ...round,
    withdrawn: before.done + round.done,
    cpu: (user + system) / 1_000 / round.done,
    roundTrips: sent === undefined ? undefined : sent / round.done,
  }
}

export const describe = ({ name, network }: Load) => (network > 0 ? `${name}, ${network} ms network` : name)

/** Of one measure of one contestant. */
export const typical = (rounds: readonly Measured[], what: 'rate' | 'p50' | 'p99' | 'cpu' | 'roundTrips') => {
  const all = rounds.map((round) => round[what]).filter((value) => value !== undefined)
  return all.length > 0 ? median(all) : undefined
}

/** Within a round, as its contestants ran next to each other; of several in `to` the best one of that round. */
export function ratio(
  of: readonly Measured[] | undefined,
  to: readonly (readonly Measured[])[],
  what: 'rate' | 'p50' = 'rate',
): number | undefined {
  if (!of || to.length === 0) return undefined
  const best = what === 'rate' ? Math.max : Math.min
  return median(of.map((round, index) => round[what] / best(...to.map((rounds) => rounds[index]![what]))))
}
