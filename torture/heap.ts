import { median } from 'simple-statistics'

/** What this process has on its heap after a collection, in bytes. It has to run with --expose-gc. */
export function heapSize(): number {
  if (!globalThis.gc) throw new Error('Start node with --expose-gc: what is garbage would be measured as well.')
  globalThis.gc()
  return process.memoryUsage().heapUsed
}

/** By how much the last third of the samples is above the first one, once a quarter for warming up is left out: 0.05 is 5 %. */
export function growthOf(samples: readonly number[]): number {
  const warm = samples.slice(Math.floor(samples.length / 4))
  const third = Math.floor(warm.length / 3)
  if (third < 2) throw new Error(`${samples.length} samples of a heap are too few to say whether it grows.`)
  return median(warm.slice(-third)) / median(warm.slice(0, third)) - 1
}
