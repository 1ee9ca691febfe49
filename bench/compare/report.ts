import Table from 'cli-table3'
import type { Load } from './contestant.js'
import { pgbenchFive, pgbenchSingle } from './contestants/pgbench.js'
import { type Findings, judge } from './goals.js'
import { describe, ratio, type Rounds, typical } from './measure.js'

export const plain = { style: { head: [], border: [] }, chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' } }

/** Medians, without a number where nothing was measured. */
export function summarize(load: Load, rounds: Rounds) {
  const baseline = (one: typeof pgbenchFive) => [rounds.get(one)].filter((found) => found !== undefined)
  return [...rounds].map(([one, all]) => ({
    load: describe(load),
    contestant: one.name,
    kind: one.kind,
    rate: typical(all, 'rate')!,
    toFive: ratio(all, baseline(pgbenchFive)),
    toSingle: ratio(all, baseline(pgbenchSingle)),
    p50: typical(all, 'p50')!,
    p99: typical(all, 'p99')!,
    cpu: typical(all, 'cpu'),
    roundTrips: typical(all, 'roundTrips'),
  }))
}

export type Summary = ReturnType<typeof summarize>[number]

export function renderLoad(load: Load, rounds: Rounds): string {
  const head = ['', 'ops/s', 'to pgbench, five', 'to pgbench, one', 'p50 ms', 'p99 ms', 'CPU s per 1,000', 'round trips']
  const table = new Table({ head, colAligns: ['left', ...head.slice(1).map(() => 'right' as const)], ...plain })
  for (const { contestant, rate, toFive, toSingle, p50, p99, cpu, roundTrips } of summarize(load, rounds)) {
    const ratios = [toFive, toSingle].map((one) => one?.toFixed(2) ?? '')
    table.push([
      contestant,
      rate.toFixed(0),
      ...ratios,
      p50.toFixed(2),
      p99.toFixed(2),
      cpu?.toFixed(2) ?? '',
      roundTrips?.toFixed(2) ?? '',
    ])
  }
  const wallets = load.wallets === 1 ? 'one wallet' : `${load.wallets.toLocaleString('en')} wallets`
  return `${describe(load)}: ${load.callers === 1 ? 'one caller' : `${load.callers} callers`}, ${wallets}\n${table.toString()}`
}

export function renderOrigin({ origin }: Findings): string[] {
  if (!origin) return []
  const table = new Table({ head: ['100 callers, 500 withdrawals, one wallet', 's', ''], colAligns: ['left', 'right', 'left'], ...plain })
  for (const { name, done, seconds } of origin.contestants) {
    table.push([name, seconds.toFixed(2), done < 500 ? `estimated from ${done} done when the time was up` : ''])
  }
  return [table.toString()]
}

export function renderGoals(findings: Findings): string {
  const table = new Table({ head: ['goal', 'wanted', 'measured', ''], colAligns: ['left', 'right', 'right', 'left'], ...plain })
  for (const { goal, wanted, measured, verdict } of judge(findings)) table.push([goal, wanted, measured?.toFixed(2) ?? '', verdict])
  return table.toString()
}
