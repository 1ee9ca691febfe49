import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

import { DatabaseUnavailableError } from './database-error.js'
import { databaseName, withDatabaseName } from './database-url.js'
import { markStatement } from './scratch-mark.js'
import { startWatchdog, type Watchdog } from './watchdog.js'

/** A database of our own on somebody's server. */
export interface ScratchDatabase {
  readonly url: string
  /** Drops it and every database cloned from it. */
  drop(): Promise<void>
}

// The URL comes through the pipe: a command line, and the password in it, can be read by all.
// The watchdog also creates the database, so that it never looks for it before it is there.
const KEEP_DATABASE = String.raw`
  let sql, name, created
  commands.once('line', (line) => {
    const job = JSON.parse(line)
    name = job.name
    created = import(job.driver).then(({ default: postgres }) => {
      sql = postgres(job.url, { max: 1, onnotice: () => {}, idle_timeout: 1 })
      return sql.unsafe('CREATE DATABASE "' + name + '" TEMPLATE template0').then(() => sql.unsafe(job.mark))
    })
    created.then(() => say({}), (error) => say({ code: error.code, message: error.message || error.code }))
  })
  const dropFamily = async () => {
    const family = await sql.unsafe('SELECT datname FROM pg_database WHERE datname = $1 OR starts_with(datname, $2)', [name, name + '_'])
    for (const { datname } of family) await sql.unsafe('DROP DATABASE IF EXISTS "' + datname + '" WITH (FORCE)')
    await sql.end()
  }
  commands.on('close', () => {
    if (created) created.then(dropFamily, () => sql && sql.end())
  })
`

const DATABASE_DOES_NOT_EXIST = '3D000'

/** A name that no other run uses, and that says in a list of databases where it comes from. */
export function scratchName(): string {
  return `rowlock_${randomBytes(6).toString('hex')}`
}

/**
 * Creates a scratch database on the server of `serverUrl`; the database that the URL itself names is
 * only connected to. It is dropped by `drop`, or by a watchdog when this process ends without it.
 *
 * @throws {DatabaseUnavailableError} when the server cannot be reached or forbids it.
 */
export async function createScratchDatabase(serverUrl: string): Promise<ScratchDatabase> {
  const name = scratchName()
  const watchdog = await keepDatabase(serverUrl, name)
  const complaints = collect(watchdog)
  watchdog.letGo()
  const drop = async () => {
    await watchdog.release()
    if (complaints() === '') return
    throw new DatabaseUnavailableError(`The scratch database "${name}" could not be dropped: ${complaints()}`)
  }
  return { url: withDatabaseName(serverUrl, name), drop }
}

async function keepDatabase(serverUrl: string, name: string): Promise<Watchdog> {
  const url = new URL(serverUrl)
  // A new project's URL may name a database that is yet to be made; every server has `postgres`.
  for (const admin of [url.href, withDatabaseName(url.href, 'postgres')]) {
    const watchdog = startWatchdog(KEEP_DATABASE)
    const { code, message } = (await watchdog.ask({ url: admin, name, mark: markStatement(name), driver: driverUrl() })) as Failure
    if (message === undefined) return watchdog
    await watchdog.release()
    if (code === DATABASE_DOES_NOT_EXIST) continue
    throw new DatabaseUnavailableError(`The server of DATABASE_URL (${url.host}) gives no scratch database: ${message}.`, {
      sqlState: code,
    })
  }
  throw new DatabaseUnavailableError(
    `The server of DATABASE_URL (${url.host}) has neither a database "${databaseName(url.href)}" nor "postgres".`,
  )
}

/** Empty when the database was created. */
interface Failure {
  readonly code?: string
  readonly message?: string
}

/** The watchdog is text without a place of its own: it is told where the driver is. */
function driverUrl(): string {
  return pathToFileURL(createRequire(import.meta.url).resolve('postgres')).href
}

function collect({ stderr }: Watchdog): () => string {
  let text = ''
  stderr.setEncoding('utf8')
  stderr.on('data', (chunk: string) => (text += chunk))
  return () => text.trim()
}
