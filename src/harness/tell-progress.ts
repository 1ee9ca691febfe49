import type { RaceProgress } from './race-result.js'
import type { RaceStop } from './race-stop.js'

/** Tells the caller how far a race is. What that throws, or rejects with, ends the race. */
export function tellProgress(onProgress: ((progress: RaceProgress) => unknown) | undefined, progress: RaceProgress, stop: RaceStop): void {
  const fail = (error: unknown) => stop.fail(() => error, error)
  try {
    Promise.resolve(onProgress?.(progress)).catch(fail)
  } catch (error) {
    fail(error)
  }
}
