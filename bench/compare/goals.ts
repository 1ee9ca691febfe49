import type { Contestant, Load } from './contestant.js'
import { pgbenchSingle } from './contestants/pgbench.js'
import { prismaWorkaround } from './contestants/prisma.js'
import { rowlockCoalesced, rowlockTyped, rowlockWithdraw } from './contestants/rowlock.js'
import { ratio, type Rounds, typical } from './measure.js'
import type { Origin } from './origin.js'
import type { Unrelated } from './unrelated.js'

export interface Findings {
  readonly results: ReadonlyMap<Load, Rounds>
  readonly unrelated: Unrelated | undefined
  readonly origin: Origin | undefined
}

export interface Verdict {
  readonly goal: string
  readonly wanted: string
  /** Undefined where a contestant or a load was left out. */
  readonly measured: number | undefined
  readonly verdict: 'met' | 'missed' | 'not measured'
}

interface Goal {
  readonly goal: string
  readonly atLeast?: number
  readonly atMost?: number
  readonly unit: string
  readonly measure: (findings: Findings) => number | undefined
}

const to =
  (load: Load['name'], network: number, of: Contestant, against: Contestant | 'best ORM', what?: 'rate' | 'p50') =>
  (findings: Findings) => {
    const rounds = find(findings, load, network)
    const others = [...(rounds ?? [])].filter(([one]) => (against === 'best ORM' ? one.kind === 'orm' : one === against))
    const measured = others.map(([, all]) => all)
    return ratio(rounds?.get(of), measured, what)
  }

const p99OfCoalesced = (findings: Findings) => {
  const rounds = find(findings, 'hot', 0)?.get(rowlockCoalesced)
  return rounds && typical(rounds, 'p99')
}

/** The fewest of a round: a packet that is split, or a connection that is opened, only adds to what was sent. */
const roundTripsOfTyped = (findings: Findings) => {
  const rounds = find(findings, 'hot', 1)?.get(rowlockTyped)
  return rounds && Math.min(...rounds.map(({ roundTrips = NaN }) => roundTrips))
}

function find({ results }: Findings, name: Load['name'], network: number): Rounds | undefined {
  return [...results].find(([load]) => load.name === name && load.network === network)?.[1]
}

const goals: readonly Goal[] = [
  { goal: 'hot, withdraw to pgbench, one statement', atLeast: 0.95, unit: 'x', measure: to('hot', 0, rowlockWithdraw, pgbenchSingle) },
  { goal: 'hot, withdraw to the best ORM', atLeast: 3, unit: 'x', measure: to('hot', 0, rowlockWithdraw, 'best ORM') },
  { goal: "hot, withdraw to Prisma's workaround", atLeast: 5, unit: 'x', measure: to('hot', 0, rowlockWithdraw, prismaWorkaround) },
  { goal: 'hot, 1 ms network, withdraw to the best ORM', atLeast: 15, unit: 'x', measure: to('hot', 1, rowlockWithdraw, 'best ORM') },
  { goal: 'hot, coalesced to pgbench, one statement', atLeast: 20, unit: 'x', measure: to('hot', 0, rowlockCoalesced, pgbenchSingle) },
  { goal: 'hot, coalesced, p99', atMost: 5, unit: ' ms', measure: p99OfCoalesced },
  {
    goal: 'uniform, withdraw to pgbench, one statement',
    atLeast: 0.8,
    unit: 'x',
    measure: to('uniform', 0, rowlockWithdraw, pgbenchSingle),
  },
  { goal: 'uniform, withdraw to the best ORM', atLeast: 3, unit: 'x', measure: to('uniform', 0, rowlockWithdraw, 'best ORM') },
  { goal: "uniform, withdraw to Prisma's workaround", atLeast: 7, unit: 'x', measure: to('uniform', 0, rowlockWithdraw, prismaWorkaround) },
  {
    goal: 'serial, p50 of withdraw to pgbench, one statement',
    atMost: 1.2,
    unit: 'x',
    measure: to('serial', 0, rowlockWithdraw, pgbenchSingle, 'p50'),
  },
  { goal: "hot, typed transaction to Prisma's workaround", atLeast: 1.5, unit: 'x', measure: to('hot', 0, rowlockTyped, prismaWorkaround) },
  {
    goal: "uniform, typed transaction to Prisma's workaround",
    atLeast: 1.5,
    unit: 'x',
    measure: to('uniform', 0, rowlockTyped, prismaWorkaround),
  },
  { goal: '1 ms network, round trips of a typed transaction', atMost: 4, unit: '', measure: roundTripsOfTyped },
  {
    goal: '100 callers, 500 withdrawals, the fastest lock by hand to withdraw',
    atLeast: 1,
    unit: 'x',
    measure: ({ origin }) => origin?.ratio,
  },
  {
    goal: "unrelated query's p99 while 500 callers queue at a gate, to idle",
    atMost: 2,
    unit: 'x',
    measure: ({ unrelated }) => unrelated?.gated,
  },
  {
    goal: 'the same while 500 callers of withdraw queue, without a gate',
    atMost: 2,
    unit: 'x',
    measure: ({ unrelated }) => unrelated?.withdraw,
  },
]

export function judge(findings: Findings): Verdict[] {
  return goals.map(({ goal, atLeast = 0, atMost = Infinity, unit, measure }) => {
    const exact = measure(findings)
    // Judged as it is printed.
    const measured = exact === undefined ? undefined : Number(exact.toFixed(2))
    const met = measured !== undefined && measured >= atLeast && measured <= atMost
    const wanted = atMost === Infinity ? `at least ${atLeast}${unit}` : `at most ${atMost}${unit}`
    return { goal, wanted, measured, verdict: measured === undefined ? 'not measured' : met ? 'met' : 'missed' }
  })
}
