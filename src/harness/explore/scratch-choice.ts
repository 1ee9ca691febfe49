import { InvalidOptionError } from '../../core/errors.js'
import { isObject, parseFlag, readOptions } from '../../core/option-checks.js'
import { DatabaseUnavailableError } from '../database-error.js'
import { databaseName, parseDatabaseUrl } from '../database-url.js'
import { startDatabase } from '../database.js'
import { loadPg } from '../load-drivers.js'
import { READ_MARK, scratchMark } from '../scratch-mark.js'
import { withConnection } from '../with-connection.js'

/** Which database to explore in: one that `startDatabase` made, by its URL, or with `allow: true` any, whose rows are overwritten. */
export type DatabaseChoice = string | { readonly url: string; readonly allow: true }

// As startDatabase names the databases that it makes, and their clones.
const SCRATCH_NAME = /^rowlock_[0-9a-f]{12}(_[0-9a-z_]+)?$/

/**
 * The database to explore in. An exploration overwrites rows, so a database that `startDatabase` did not
 * make is used only when the caller says that it may be.
 *
 * The name in the URL is not enough: its parameters, `PGHOST` and `PGSERVICEFILE`, a pooler's table of databases may
 * lead elsewhere, and each driver reads them in its own way. So both are asked where they are.
 *
 * @throws {InvalidOptionError} for any other database.
 * @throws {DatabaseUnavailableError} when it cannot be asked.
 */
export async function openScratchDatabase(
  choice: DatabaseChoice | undefined,
  migrations = 'prisma/migrations',
): Promise<{ url: string } & AsyncDisposable> {
  if (choice === undefined) return startDatabase({ migrations })
  const { url: given, allow } = isObject(choice) ? readOptions(choice, ['url', 'allow'], 'database') : { url: choice, allow: false }
  const url = parseDatabaseUrl(given, 'database').href
  if (!parseFlag(allow, 'database.allow')) await assertScratch(url)
  return { url, [Symbol.asyncDispose]: async () => undefined }
}

interface Place {
  readonly name: string
  readonly mark: string | null
}

async function assertScratch(url: string): Promise<void> {
  // Before anything is connected to.
  const named = databaseName(url)
  if (!SCRATCH_NAME.test(named)) throw refuse(named)
  for (const ask of [askPostgres, askPg]) {
    const { name, mark } = await reached(ask, url)
    if (!SCRATCH_NAME.test(name) || mark !== scratchMark(name)) throw refuse(name)
  }
}

async function reached(ask: (url: string) => Promise<Place | undefined>, url: string): Promise<Place> {
  try {
    return (await ask(url)) ?? { name: '', mark: null }
  } catch (cause) {
    throw new DatabaseUnavailableError('The database to explore in could not be asked whether `startDatabase` made it.', { cause })
  }
}

/** As the explorer's own connections are made. */
const askPostgres = (url: string) => withConnection(url, async (sql) => (await sql.unsafe<Place[]>(READ_MARK))[0])

/** As the actors' connections are made. */
async function askPg(url: string): Promise<Place | undefined> {
  const { Client } = await loadPg('Nothing can be explored')
  const client = new Client({ connectionString: url })
  // A connection that dies is told by its query as well.
  client.on('error', () => undefined)
  try {
    await client.connect()
    return (await client.query<Place>(READ_MARK)).rows[0]
  } finally {
    await client.end()
  }
}

function refuse(name: string): InvalidOptionError {
  return new InvalidOptionError(
    'database',
    name,
    'a database made by `startDatabase`; an exploration overwrites rows, so say `{ url, allow: true }` for any other',
  )
}
