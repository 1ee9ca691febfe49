import { RaceClients, type RaceClientSource } from './race-clients.js'
import { assertFunction } from '../core/option-checks.js'
import { readKnown, requireInteger, requireLimits, requireObject, type RaceLimits } from './race-options.js'
import type { RaceProgress, RaceResult } from './race-result.js'
import { RaceStop } from './race-stop.js'
import { RaceTally } from './race-tally.js'
import { runRequests } from './run-requests.js'
import { tellProgress } from './tell-progress.js'

/** The most requests of one race; more say nothing new and take the memory of their results. */
export const MOST_REQUESTS = 1_000_000

/** What one request of a race is given. */
export interface RaceContext<Client> {
  /** The request's number, from 0; the requests start in this order. */
  readonly index: number
  /** The shared client, or this actor's own. */
  readonly client: Client
  /** Aborts when the race ends early. */
  readonly signal: AbortSignal
}

export interface RaceOptions<Client, Value> extends RaceLimits {
  /** How many requests run in all. 1 to 1,000,000. */
  readonly requests: number
  /**
   * How many requests are in flight at a time, each with an actor of its own. 1 to `requests`;
   * `requests` by default, which starts all of them at once.
   */
  readonly concurrency?: number | undefined
  /** Runs one request. Its value or error is recorded; it never ends the race. */
  readonly run: (context: RaceContext<Client>) => Value | PromiseLike<Value>
  /**
   * The client of all actors, or a function that makes one for each actor (from 0 to
   * `concurrency - 1`). Clients made here are connected before the barrier and closed after the race,
   * by `$connect` and `$disconnect` or `Symbol.asyncDispose` where they have them; a shared client is
   * not closed. A shared client that is itself a function has to be wrapped: `{ client: () => sql }`. Default: none, `run` has its own.
   */
  readonly client?: RaceClientSource<Client> | undefined
  /** Called after every start and every settlement. What it throws ends the race. Default: nothing is called. */
  readonly onProgress?: ((progress: RaceProgress) => void) | undefined
}

/**
 * Guarantees that `concurrency` requests are in flight from the first instant: it waits until every
 * actor's client is ready, starts the first `concurrency` requests in one synchronous go, and starts
 * the next one whenever one settles. A request that fails is counted, not thrown.
 *
 * One process has one event loop: requests overlap in the database, not in JavaScript. Use
 * {@link raceProcesses} for actors that share nothing.
 *
 * @param options - How many requests, how many at a time, and what one does.
 * @returns What happened to every request.
 * @throws {InvalidOptionError} when an option is not allowed; nothing has run.
 * @throws {RaceClientError} when an actor's client cannot be created or closed.
 * @throws {RaceAbortedError} when `signal` aborts during the race; `result` holds what had happened.
 * @throws {RaceDeadlineError} when `deadline` passes during the race; `result` likewise.
 *
 * @example
 * ```ts
 * import { expectExactlyOne, race } from 'rowlock/testing'
 *
 * let seats = 1
 * const result = await race({
 *   requests: 200,
 *   concurrency: 50,
 *   run: ({ index }) => {
 *     if (seats === 0) throw new RangeError('sold out')
 *     seats -= 1
 *     return index
 *   },
 * })
 * expectExactlyOne(result)
 * console.log(result.errors) // { RangeError: 199 }
 * ```
 */
export async function race<Value, Client = undefined>(options: RaceOptions<Client, Value>): Promise<RaceResult<Value>> {
  const settings = validate(options)
  const { requests, concurrency = requests, run, client, onProgress } = settings
  const tally = new RaceTally<Value>(requests, concurrency)
  const stop = new RaceStop(settings)
  const clients = new RaceClients(client as RaceClientSource<Client>, concurrency)
  try {
    await openClients(clients, stop)
    tally.release()
    await runRequests<Value>({
      indexes: Array.from({ length: requests }, (_, index) => index),
      concurrency,
      run: (actor, index) => run({ index, client: clients.get(actor), signal: stop.signal }),
      stop,
      onEvent: (event) => {
        tally.record(event)
        tellProgress(onProgress, tally.progress(), stop)
      },
    })
  } finally {
    stop.close()
    await clients.close(stop)
  }
  const result = tally.result()
  stop.throwIfStopped(result)
  return result
}

async function openClients<Client>(clients: RaceClients<Client>, stop: RaceStop): Promise<void> {
  try {
    await stop.guard(() => clients.open(stop))
  } catch (error) {
    stop.fail(() => error, error)
  }
}

function validate<Client, Value>(options: RaceOptions<Client, Value>): RaceOptions<Client, Value> {
  requireObject('options', options)
  const known = ['requests', 'concurrency', 'run', 'client', 'signal', 'deadline', 'onProgress']
  const read: Record<string, unknown> & RaceOptions<Client, Value> = readKnown(options, known)
  const requests = requireInteger('requests', read['requests'], 1, MOST_REQUESTS)
  if (read['concurrency'] !== undefined) requireInteger('concurrency', read['concurrency'], 1, requests)
  assertFunction(read['run'], 'run')
  requireLimits(read)
  return read
}
