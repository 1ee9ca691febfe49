import { extname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { InvalidOptionError } from '../core/errors.js'
import { findTypeScriptLoader } from './find-typescript-loader.js'
import { MOST_REQUESTS } from './race.js'
import { RaceProcessError } from './race-errors.js'
import type { RaceAssignment } from './race-messages.js'
import { readKnown, requireInteger, requireLimits, requireObject, requireText, type RaceLimits } from './race-options.js'
import { RaceProcess, type WorkerOutput } from './race-process.js'
import type { RaceProgress, RaceResult } from './race-result.js'
import { RaceStop } from './race-stop.js'
import { RaceTally, type RaceEvent } from './race-tally.js'
import { tellProgress } from './tell-progress.js'
import { toTransferable } from './to-transferable.js'

const MOST_PROCESSES = 64

export interface RaceProcessesOptions extends RaceLimits {
  /** How many worker processes. 1 to 64. */
  readonly processes: number
  /** How many requests run in all, dealt out evenly. `processes` to 1,000,000. */
  readonly requests: number
  /**
   * How many requests are in flight at a time over all processes, dealt out evenly. `processes` to
   * `requests`; `requests` by default, which starts all of them at once.
   */
  readonly concurrency?: number | undefined
  /**
   * The module that each process loads: a `file:` URL, or a path, relative to the working directory.
   * TypeScript needs `tsx` installed next to the module or to rowlock.
   */
  readonly module: string | URL
  /** The module's export to run: made by {@link defineRaceActor}, or a plain function. */
  readonly exportName: string
  /** Given to every process, copied by structured clone; a Decimal arrives as text. Default: undefined. */
  readonly input?: unknown
  /** Called after every batch of events from a process. What it throws ends the race. Default: nothing is called. */
  readonly onProgress?: ((progress: RaceProgress) => void) | undefined
}

/**
 * Guarantees a race between real processes that share nothing but the database: every process loads
 * `module`, connects and reports ready; then one barrier releases all of them. No process outlives
 * the call: they are ended on an abort, on the deadline and on a failure, and end themselves when
 * their parent dies. They inherit the environment, the working directory, stdout and stderr.
 *
 * Values and errors come back by structured clone, so bigint and Date arrive as they are. A Decimal
 * arrives as its exact text (`'12.50'`), and an error as `{ name, code, message }`.
 *
 * A worker that blocks its event loop does not notice that its parent died until it yields.
 *
 * @typeParam Value - What the actor returns; it is not checked against the module.
 * @returns What happened to every request, over all processes.
 * @throws {InvalidOptionError} when an option is not allowed; no process has been started.
 * @throws {RaceProcessError} when a process cannot load the module or connect, crashes or exits early,
 *   or when a value cannot be copied.
 * @throws {RaceAbortedError} when `signal` aborts during the race; `result` holds what had happened.
 * @throws {RaceDeadlineError} when `deadline` passes during the race; `result` likewise.
 *
 * @example
 * ```ts
 * import { expectExactlyOne, raceProcesses } from 'rowlock/testing'
 *
 * const result = await raceProcesses<string>({
 *   processes: 4,
 *   requests: 200,
 *   concurrency: 50,
 *   module: new URL('./sell-seat.actor.ts', import.meta.url),
 *   exportName: 'sellSeat',
 *   input: { url: 'postgresql://localhost:5433/test' },
 *   deadline: 60_000,
 * })
 * expectExactlyOne(result)
 * ```
 */
export async function raceProcesses<Value = unknown>(options: RaceProcessesOptions): Promise<RaceResult<Value>> {
  return runRaceProcesses(parseRaceProcesses(options))
}

/**
 * As {@link raceProcesses}, with options that were checked before.
 *
 * @param stdout - where the processes' standard output goes: to ours, or to our standard error.
 */
export async function runRaceProcesses<Value>(
  settings: RaceProcessesSettings,
  stdout: WorkerOutput = 'stdout',
): Promise<RaceResult<Value>> {
  const stop = new RaceStop(settings)
  const tally = new RaceTally<Value>(settings.requests, settings.concurrency)
  const workers = stop.stopped ? [] : startWorkers(settings, stop, tally, stdout)
  try {
    await stop.guard(() => runWorkers(workers, tally))
  } catch (error) {
    stop.fail(() => error, error)
  }
  stop.close()
  if (stop.stopped) await Promise.all(workers.map((worker) => worker.abort('The race ended early.')))
  const result = tally.result()
  stop.throwIfStopped(result)
  return result
}

async function runWorkers(workers: readonly RaceProcess[], tally: Pick<RaceTally<unknown>, 'release'>): Promise<void> {
  await Promise.all(workers.map((worker) => worker.ready))
  tally.release()
  for (const worker of workers) worker.start()
  await Promise.all(workers.map((worker) => worker.drained))
  await Promise.all(workers.map((worker) => worker.end()))
}

function startWorkers<Value>(
  settings: RaceProcessesSettings,
  stop: RaceStop,
  tally: RaceTally<Value>,
  stdout: WorkerOutput,
): RaceProcess[] {
  // Beside this file, with its ending: TypeScript when rowlock runs from its source.
  const worker = new URL(`./race-worker${extname(import.meta.url)}`, import.meta.url)
  const execArgv = findTypeScriptLoader([settings.module, worker])
  const onEvents = (events: readonly RaceEvent[]): void => {
    for (const event of events) tally.record(event as RaceEvent<Value>)
    tellProgress(settings.onProgress, tally.progress(), stop)
  }
  return deal(settings).map(
    (assignment) =>
      new RaceProcess({
        worker,
        execArgv,
        stdout,
        assignment,
        onEvents,
        onFailure: (failure) => stop.fail((result) => new RaceProcessError(failure, result), failure.cause),
      }),
  )
}

/** Deals requests and slots round, as cards: no process has two more than another. */
function deal({ processes, requests, concurrency, module, exportName, input }: RaceProcessesSettings): RaceAssignment[] {
  return Array.from({ length: processes }, (_, process) => {
    const share = (total: number): number => Math.floor((total - process - 1) / processes) + 1
    return {
      type: 'prepare',
      module: module.href,
      exportName,
      input,
      process,
      concurrency: share(concurrency),
      indexes: Array.from({ length: share(requests) }, (_, turn) => process + turn * processes),
    }
  })
}

/** Validated {@link RaceProcessesOptions}. */
export interface RaceProcessesSettings extends RaceProcessesOptions {
  readonly concurrency: number
  readonly module: URL
}

/** @throws {InvalidOptionError} when an option is not allowed. */
export function parseRaceProcesses(options: RaceProcessesOptions): RaceProcessesSettings {
  requireObject('options', options)
  const read: RaceProcessesOptions & Record<string, unknown> = readKnown(options, [
    ...['processes', 'requests', 'concurrency', 'module', 'exportName', 'input'],
    ...['signal', 'deadline', 'onProgress'],
  ])
  const { processes: givenProcesses, requests: givenRequests, concurrency } = read
  const processes = requireInteger('processes', givenProcesses, 1, MOST_PROCESSES)
  const requests = requireInteger('requests', givenRequests, processes, MOST_REQUESTS)
  requireLimits(read)
  return {
    ...(read as RaceLimits & Pick<RaceProcessesOptions, 'onProgress'>),
    processes,
    requests,
    concurrency: concurrency === undefined ? requests : requireInteger('concurrency', concurrency, processes, requests),
    module: requireModule(read['module']),
    exportName: requireText('exportName', read['exportName']),
    input: requireTransferable(read['input']),
  }
}

function requireModule(given: unknown): URL {
  const allowed = 'a file: URL or the path of a module'
  if (isUrl(given)) {
    if (given.protocol === 'file:') return given
    throw new InvalidOptionError('module', given.href, allowed)
  }
  const text = requireText('module', given, allowed)
  if (text.startsWith('file:') && URL.canParse(text)) return new URL(text)
  return pathToFileURL(text)
}

/** A proxy of one cannot be read. */
function isUrl(given: unknown): given is URL {
  try {
    return given instanceof URL && typeof given.href === 'string'
  } catch {
    return false
  }
}

function requireTransferable(given: unknown): unknown {
  try {
    return toTransferable(given)
  } catch {
    throw new InvalidOptionError('input', given, 'a value that structured clone can copy')
  }
}
