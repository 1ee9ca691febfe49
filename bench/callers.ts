import { quantile } from 'simple-statistics'

/** One round of a contestant, times in milliseconds. */
export interface Round {
  /** Operations a second. */
  readonly rate: number
  readonly p50: number
  readonly p99: number
  /** How many operations came to an end; fewer than asked for when the time was up. */
  readonly done: number
}

export interface CallersOptions {
  /** How many operations are under way at a time. */
  readonly callers: number
  readonly operations: number
  readonly run: (index: number, signal: AbortSignal) => Promise<unknown>
  /** Ends the round, in milliseconds: no operation starts later, and those under way may give up. Default: no limit. */
  readonly limit?: number
}

/** What the callers saw: each operation that came to an end, in milliseconds, and the time of all of them together. */
export interface Calls {
  readonly latencies: readonly number[]
  readonly seconds: number
}

/** Runs the operations with so many at a time, and measures each from its call to its end. */
export async function runCallers(options: CallersOptions): Promise<Round> {
  return summarizeCalls(await timeCallers(options))
}

export async function timeCallers({ callers, operations, run, limit }: CallersOptions): Promise<Calls> {
  const over = limit === undefined ? new AbortController().signal : AbortSignal.timeout(limit)
  const latencies: number[] = []
  const begun = performance.now()
  let next = 0
  const caller = async () => {
    while (next < operations && !over.aborted) {
      const called = performance.now()
      try {
        await run(next++, over)
      } catch (error) {
        if (error === over.reason) return
        throw error
      }
      latencies.push(performance.now() - called)
    }
  }
  await Promise.all(Array.from({ length: Math.min(callers, operations) }, caller))
  return { latencies, seconds: (performance.now() - begun) / 1_000 }
}

export function summarizeCalls({ latencies: all, seconds }: Calls): Round {
  const latencies = [...all]
  return { rate: latencies.length / seconds, p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99), done: latencies.length }
}
