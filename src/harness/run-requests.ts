import { performance } from 'node:perf_hooks'
import { describeError } from './describe-error.js'
import type { RaceStop } from './race-stop.js'
import type { RaceEvent } from './race-tally.js'

export interface RunRequestsOptions<Value> {
  readonly indexes: readonly number[]
  readonly concurrency: number
  readonly run: (actor: number, index: number) => Value | PromiseLike<Value>
  readonly stop: RaceStop
  readonly onEvent: (event: RaceEvent<Value>) => void
}

/**
 * Starts the first `concurrency` requests in one synchronous go, so that none has a head start, and
 * the next one as each settles. Settles when all have, or one turn of the event loop after a stop;
 * what settles later is not reported.
 */
export async function runRequests<Value>(options: RunRequestsOptions<Value>): Promise<void> {
  let open = true
  const report = (event: RaceEvent<Value>): void => {
    if (open) options.onEvent(event)
  }
  try {
    await options.stop.guard(() => runActors(options, report))
  } catch (error) {
    options.stop.fail(() => error, error)
    // A request that answers the abort at once has settled; only the deaf ones are unsettled.
    await new Promise((resolve) => setImmediate(resolve))
  } finally {
    open = false
  }
}

async function runActors<Value>(
  { indexes, concurrency, run, stop }: RunRequestsOptions<Value>,
  report: (event: RaceEvent<Value>) => void,
): Promise<void> {
  const queue = indexes.values()
  const runActor = async (actor: number): Promise<void> => {
    for (const index of queue) {
      if (stop.stopped) return
      report({ type: 'started', index })
      // What is told of it may have ended the race.
      if (stop.stopped) return
      await runRequest(() => run(actor, index), index, report)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, (_, actor) => runActor(actor)))
}

async function runRequest<Value>(
  run: () => Value | PromiseLike<Value>,
  index: number,
  report: (event: RaceEvent<Value>) => void,
): Promise<void> {
  const startedAt = performance.now()
  const outcome = await settle(run)
  const latency = performance.now() - startedAt
  if ('value' in outcome) report({ type: 'fulfilled', index, latency, value: outcome.value })
  else report({ type: 'rejected', index, latency, error: describeError(outcome.error, index) })
}

// Apart from runRequest, so that an error of the reporting is never taken for one of the request.
async function settle<Value>(run: () => Value | PromiseLike<Value>): Promise<{ value: Value } | { error: unknown }> {
  try {
    return { value: await run() }
  } catch (error) {
    return { error }
  }
}
