import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { propertyOf } from '../../core/option-checks.js'
import { InvalidOptionError } from '../../core/errors.js'
import { connectionsLike, type OpenConnection } from '../../doctor/connection.js'
import type { Facts } from '../../doctor/check.js'
import type { MissingFacts } from '../../doctor/diagnose.js'
import { describeError } from '../../doctor/error-code.js'
import { connectAdapter, isPrismaClient, poolOfAdapter, readClientFacts } from '../../doctor/facts/client-facts.js'
import { readDatabaseFacts } from '../../doctor/facts/database-facts.js'
import { parseSchema } from '../../doctor/facts/schema-facts.js'
import { loadTypeScript, readSourceFacts } from '../../doctor/facts/source-facts.js'
import { parseDatabaseUrl } from '../../harness/database-url.js'
import { loadPg } from '../../harness/load-drivers.js'
import { CommandFileError, loadFile, locateFile } from '../command-file.js'
import { readSchemaText } from './schema-text.js'

/** What `rowlock doctor` is asked for. */
export interface DoctorRequest {
  /** The file that exports the client. */
  readonly file: string | undefined
  /** The database to ask, in place of the client's or of DATABASE_URL. */
  readonly database: string | undefined
  /** The folder of the project. */
  readonly source: string
  readonly schema: string | undefined
}

/** What could be found out, and why the rest could not. */
export interface GatheredFacts {
  readonly facts: Facts
  readonly missing: MissingFacts
}

const NO_CLIENT = { what: 'No file was named that exports the client.', todo: 'Name it: rowlock doctor src/prisma.ts.' }
const NO_DATABASE = { what: 'No database was named.', todo: 'Set DATABASE_URL, or name the file that exports the client.' }
const NO_SCHEMA = { what: 'No Prisma schema was found.', todo: 'Name it: rowlock doctor --schema path/to/schema.prisma.' }
const NO_TYPESCRIPT = {
  what: 'TypeScript is not installed, by which the source is searched.',
  todo: 'Install it: npm install -D typescript.',
}

/**
 * Looks at a project: its client, its database, its schema and its source. Nothing is written.
 *
 * @throws {CommandFileError | InvalidOptionError} when what was asked for is wrong.
 * @throws What the named file throws.
 */
export async function gatherFacts(request: DoctorRequest): Promise<GatheredFacts> {
  assertFolder(request.source)
  const given = databaseUrl(request.database, '--database')
  const schemaText = await readSchemaText(request.source, request.schema)
  const client = request.file === undefined ? undefined : await loadClient(request.file)
  await using opened = client && (await openClient(client))
  const open =
    given === undefined && opened?.pool
      ? connectionsLike(opened.pool)
      : await openByUrl(given ?? databaseUrl(process.env['DATABASE_URL'], 'DATABASE_URL'))
  const clientFacts = client && readClientFacts(client, opened?.pool)
  const database = await readDatabase(open)
  const text = request.schema === undefined ? (clientFacts?.schemaText ?? schemaText) : schemaText
  const typescript = await loadTypeScript(resolve(request.source))
  const source = typescript && (await readSourceFacts(resolve(request.source), typescript))
  return {
    facts: definedOnly({
      client: clientFacts,
      database: database.facts,
      schema: text === undefined ? undefined : parseSchema(text),
      source,
    }),
    missing: { client: NO_CLIENT, database: database.missing, schema: NO_SCHEMA, source: NO_TYPESCRIPT },
  }
}

async function loadClient(file: string): Promise<object> {
  const exports = await loadFile(locateFile(file))
  const found = [exports['prisma'], exports['default'], propertyOf(exports['default'], 'prisma')].find(isPrismaClient)
  if (found === undefined)
    throw new CommandFileError(file, 'exports no Prisma client on a driver adapter: write `export const prisma = …`.')
  return found
}

interface OpenClient extends AsyncDisposable {
  readonly pool: object | undefined
}

async function openClient(client: object): Promise<OpenClient> {
  const adapter = await connectAdapter(client)
  return {
    pool: poolOfAdapter(adapter),
    [Symbol.asyncDispose]: async () => void (await adapter.dispose().catch(() => undefined)),
  }
}

/** By the driver that Prisma itself uses, which a project with a client on it has. */
async function openByUrl(url: string | undefined): Promise<OpenConnection | undefined> {
  if (url === undefined) return undefined
  const { default: pg } = await loadPg('rowlock doctor asks the database by the driver pg')
  return connectionsLike({ Client: pg.Client, options: { connectionString: url } })
}

function databaseUrl(url: string | undefined, option: string): string | undefined {
  return url === undefined || url === '' ? undefined : parseDatabaseUrl(url, option).href
}

async function readDatabase(
  open: OpenConnection | undefined,
): Promise<{ facts?: Facts['database']; missing: MissingFacts['database'] & {} }> {
  if (!open) return { missing: NO_DATABASE }
  try {
    return { facts: await readDatabaseFacts(open), missing: NO_DATABASE }
  } catch (error) {
    const what = `The database could not be asked: ${describeError(error)}.`
    return { missing: { level: 'problem', what, todo: 'See that it runs, and that its address, user and password are right.' } }
  }
}

function assertFolder(folder: string): void {
  try {
    if (statSync(folder).isDirectory()) return
  } catch {
    // No path at all, or nothing there.
  }
  throw new InvalidOptionError('--source', folder, 'the path of a folder')
}

function definedOnly<T extends object>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: NonNullable<T[K]> }
}
