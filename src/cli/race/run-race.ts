import { existsSync } from 'node:fs'
import { startDatabase, type DatabaseSource } from '../../harness/database.js'
import { parseDatabaseUrl } from '../../harness/database-url.js'
import { parseRaceProcesses, runRaceProcesses } from '../../harness/race-processes.js'
import type { RaceProgress, RaceResult } from '../../harness/race-result.js'
import { CommandFileError, loadFile, locateFile } from '../command-file.js'

/** What `rowlock race` is asked for. */
export interface RunRaceOptions {
  readonly file: string
  readonly exportName: string
  readonly processes: number
  readonly requests: number
  readonly concurrency: number | undefined
  readonly deadline: number | undefined
  readonly input: Readonly<Record<string, unknown>>
  /** The database to race on; undefined for a throw-away one, false for none. */
  readonly database: string | false | undefined
  readonly migrations: string | undefined
  /** Where the standard output of the processes goes. */
  readonly stdout: 'stdout' | 'stderr'
  readonly signal: AbortSignal
  readonly onEvent: RaceListener
}

/** Where a race ran: on a database that was started for it, on a given one, or without. */
export type RaceDatabase = DatabaseSource | 'given' | 'none'

/** What a running race tells its display, in this order; `racing` many times. */
export type RaceEvent =
  | { readonly type: 'starting' }
  | { readonly type: 'started'; readonly database: RaceDatabase }
  | { readonly type: 'racing'; readonly progress?: RaceProgress }
  | { readonly type: 'done' }

export type RaceListener = (event: RaceEvent) => void

const DEFAULT_MIGRATIONS = 'prisma/migrations'
const SETUP = 'setup'

/**
 * Races the actor of a file in worker processes, on a database that is there for them.
 *
 * @throws {CommandFileError | InvalidOptionError} when what was asked for is wrong; nothing is left behind.
 * @throws {RaceError} when the race ended early; its `result` says what had happened.
 * @throws What `setup` throws, and what {@link startDatabase} throws.
 */
export async function runRace(options: RunRaceOptions): Promise<RaceResult> {
  const { exportName, onEvent, signal } = options
  const module = locateFile(options.file)
  const toRace = (input: object) => {
    const { processes, requests, concurrency, deadline } = options
    return { processes, requests, concurrency, deadline, module, exportName, input, signal, onProgress }
  }
  const onProgress = (progress: RaceProgress) => onEvent({ type: 'racing', progress })
  // Before a database is started for it.
  parseRaceProcesses(toRace(options.input))
  await using database = await openDatabase(options)
  signal.throwIfAborted()
  const input = database.url === undefined ? options.input : { ...options.input, url: database.url }
  await prepare(options, module, input)
  signal.throwIfAborted()
  onEvent({ type: 'racing' })
  const result = await runRaceProcesses(parseRaceProcesses(toRace(input)), options.stdout)
  onEvent({ type: 'done' })
  return result
}

interface OpenDatabase extends AsyncDisposable {
  readonly url?: string
}

async function openDatabase({ database, migrations, onEvent }: RunRaceOptions): Promise<OpenDatabase> {
  onEvent({ type: 'starting' })
  const opened = database === undefined ? await startMigrated(migrations) : openGiven(database)
  // An application's own client reads it, and must not find its everyday database there. Before its file is loaded.
  if (opened.url !== undefined) process.env['DATABASE_URL'] = opened.url
  onEvent({ type: 'started', database: opened.source })
  return opened
}

const startMigrated = (migrations: string | undefined) =>
  startDatabase({ migrations: migrations ?? (existsSync(DEFAULT_MIGRATIONS) ? DEFAULT_MIGRATIONS : false) })

function openGiven(url: string | false): OpenDatabase & { readonly source: RaceDatabase } {
  const keep = { [Symbol.asyncDispose]: async () => undefined }
  if (url === false) return { source: 'none', ...keep }
  parseDatabaseUrl(url, '--database')
  return { source: 'given', url, ...keep }
}

/** Loads the file as every process will, so that a wrong one is found before there are any; and runs its `setup`. */
async function prepare({ file, exportName }: RunRaceOptions, module: URL, input: object): Promise<void> {
  const { [exportName]: actor, [SETUP]: setup } = await loadFile(module)
  if (!isActor(actor)) {
    throw new CommandFileError(
      file,
      `exports no actor \`${exportName}\`: write \`export const ${exportName} = defineRaceActor({ … })\`, or name another export with --export.`,
    )
  }
  if (typeof setup === 'function') await (setup as (input: object) => unknown)(input)
}

const isActor = (exported: unknown): boolean =>
  typeof exported === 'function' || (typeof exported === 'object' && exported !== null && 'run' in exported)
