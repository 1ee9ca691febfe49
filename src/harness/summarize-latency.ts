import { max, quantile } from 'simple-statistics'
import type { RaceLatency } from './race-result.js'

/** The percentiles of `latencies` in milliseconds; every field is NaN when there are none. */
export function summarizeLatency(latencies: readonly number[]): RaceLatency {
  if (latencies.length === 0) return { p50: NaN, p95: NaN, p99: NaN, max: NaN }
  return {
    p50: quantile(latencies, 0.5),
    p95: quantile(latencies, 0.95),
    p99: quantile(latencies, 0.99),
    max: max(latencies),
  }
}
