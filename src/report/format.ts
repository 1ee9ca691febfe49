import type { DemoLoss } from './demo-result.js'

/** `85 ms`, `1.2 s`, `2 min 14 s`, `3 h 5 min`. */
export function formatDuration(milliseconds: number): string {
  if (Math.round(milliseconds) < 1_000) return `${Math.round(milliseconds)} ms`
  if (milliseconds < 59_950) return `${(milliseconds / 1_000).toFixed(1)} s`
  const seconds = Math.round(milliseconds / 1_000)
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`
}

/** `14 tickets`, `2890.00 money`, or `nothing`. */
export function formatLoss({ amount, unit }: DemoLoss): string {
  if (amount === 0) return 'nothing'
  return unit === 'money' ? `${amount.toFixed(2)} money` : `${amount} ${amount === 1 ? unit.replace(/s$/, '') : unit}`
}
