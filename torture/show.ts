import { inspect } from 'node:util'

/** Anything that was thrown, in words. It may itself throw when it is looked at. */
export function show(thrown: unknown): string {
  try {
    return thrown instanceof Error ? (thrown.stack ?? thrown.message).slice(0, 600) : `${typeof thrown} ${inspect(thrown).slice(0, 200)}`
  } catch {
    return 'something that cannot be shown'
  }
}
