import { randomBytes } from 'node:crypto'

import type postgres from 'postgres'
import { parseText, readOptions } from '../core/option-checks.js'
import { quoteIdentifier } from '../sql/identifier.js'
import { DatabaseUnavailableError } from './database-error.js'
import { databaseName, parseDatabaseUrl, withDatabaseName } from './database-url.js'
import { applyMigrations } from './migrations.js'
import { markAsScratch } from './scratch-mark.js'
import { withConnection } from './with-connection.js'

/** A migrated database to copy; plain data, so that one process can hand it to others. */
export interface TemplateDatabase {
  /** Where to send CREATE DATABASE and DROP DATABASE: never the template itself. */
  readonly adminUrl: string
  /** Its name, for `CREATE DATABASE … TEMPLATE`. */
  readonly name: string
}

/** What to put into a template. */
export interface CreateTemplateOptions {
  /** The folder of migrations to apply, in the format of `prisma migrate`. */
  readonly migrations: string
}

/** A copy of a template. */
export interface ClonedDatabase extends AsyncDisposable {
  /** Understood by every client. */
  readonly url: string
  /** Drops it, also when sessions are still connected. */
  drop(): Promise<void>
}

/**
 * Creates a migrated database next to the one of `url`, for {@link cloneDatabase} to copy. Nobody can
 * connect to it: PostgreSQL refuses to copy a database that has sessions. It is dropped together
 * with the database of `url`.
 *
 * @param url - a database from `startDatabase`.
 * @throws {InvalidOptionError} when an argument is not allowed.
 * @throws {DatabaseUnavailableError} when the server cannot be reached or refuses.
 * @throws {MigrationError} when a migration fails.
 * @example
 * ```ts
 * const template = await createTemplate(database.url, { migrations: 'prisma/migrations' })
 * ```
 */
export async function createTemplate(url: string, options: CreateTemplateOptions): Promise<TemplateDatabase> {
  const { migrations } = readOptions(options, ['migrations'], 'options')
  const adminUrl = parseDatabaseUrl(url, 'url').href
  const name = relatedName(adminUrl)
  const template = { adminUrl, name }
  await reachable(adminUrl, (sql) => sql`CREATE DATABASE ${sql(name)} TEMPLATE template0`)
  await applyMigrations(withDatabaseName(url, name), migrations)
  await reachable(adminUrl, (sql) => sql`ALTER DATABASE ${sql(name)} ALLOW_CONNECTIONS false`)
  return template
}

/**
 * Copies a template, which takes some 20 ms where migrating takes many times that. The copy is
 * dropped by its `drop`, or with the database that the template belongs to.
 *
 * @throws {InvalidOptionError} when `template` is none.
 * @throws {DatabaseUnavailableError} when the server cannot be reached or refuses.
 * @example
 * ```ts
 * const template = await createTemplate(database.url, { migrations: 'prisma/migrations' })
 * await using clone = await cloneDatabase(template)
 * ```
 */
export async function cloneDatabase(template: TemplateDatabase): Promise<ClonedDatabase> {
  const { adminUrl: given, name: original } = readOptions(template, ['adminUrl', 'name'], 'template')
  const adminUrl = parseDatabaseUrl(given, 'template.adminUrl').href
  const source = parseText(original, 'template.name')
  const name = relatedName(adminUrl)
  await reachable(adminUrl, async (sql) => {
    await sql.unsafe(`CREATE DATABASE ${quoteIdentifier(name)} TEMPLATE ${quoteIdentifier(source)}`)
    await markAsScratch(sql, name)
  })
  const drop = async () => {
    await withConnection(adminUrl, (sql) => sql`DROP DATABASE IF EXISTS ${sql(name)} WITH (FORCE)`)
  }
  return { url: withDatabaseName(adminUrl, name), drop, [Symbol.asyncDispose]: drop }
}

/** @throws {DatabaseUnavailableError} when the server cannot be reached or refuses. */
async function reachable<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  try {
    return await withConnection(url, work)
  } catch (cause) {
    throw new DatabaseUnavailableError(`The server of the template cannot make a database: ${(cause as Error).message}.`, { cause })
  }
}

/** Whoever drops the database of `url` knows its relatives by the beginning of their names. */
function relatedName(url: string): string {
  return `${databaseName(url)}_${randomBytes(6).toString('hex')}`
}
