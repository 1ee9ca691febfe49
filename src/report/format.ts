import type { DemoLoss } from './demo-result.js'

/** `85 ms`, `1.2 s`. */
export function formatDuration(milliseconds: number): string {
  return Math.round(milliseconds) < 1_000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1_000).toFixed(1)} s`
}

/** `14 tickets`, `2890.00 money`, or `nothing`. */
export function formatLoss({ amount, unit }: DemoLoss): string {
  if (amount === 0) return 'nothing'
  return unit === 'money' ? `${amount.toFixed(2)} money` : `${amount} ${amount === 1 ? unit.replace(/s$/, '') : unit}`
}
