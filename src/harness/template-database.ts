import { randomBytes } from 'node:crypto'

import { databaseName, withDatabaseName } from './database-url.js'
import { applyMigrations } from './migrations.js'
import { withConnection } from './with-connection.js'

/** A migrated database to copy; plain data, so that one process can hand it to others. */
export interface TemplateDatabase {
  /** Where to send CREATE DATABASE and DROP DATABASE: never the template itself. */
  readonly adminUrl: string
  readonly name: string
}

/** What to put into a template. */
export interface CreateTemplateOptions {
  /** The folder of migrations to apply, in the format of `prisma migrate`. */
  readonly migrations: string
}

/** A copy of a template. */
export interface ClonedDatabase extends AsyncDisposable {
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
 * @throws MigrationError when a migration fails.
 */
export async function createTemplate(url: string, options: CreateTemplateOptions): Promise<TemplateDatabase> {
  const name = relatedName(url)
  const template = { adminUrl: url, name }
  await withConnection(url, (sql) => sql`CREATE DATABASE ${sql(name)} TEMPLATE template0`)
  await applyMigrations(withDatabaseName(url, name), options.migrations)
  await withConnection(url, (sql) => sql`ALTER DATABASE ${sql(name)} ALLOW_CONNECTIONS false`)
  return template
}

/**
 * Copies a template, which takes some 20 ms where migrating takes many times that. The copy is
 * dropped by its `drop`, or with the database that the template belongs to.
 *
 * @example
 * ```ts
 * const template = await createTemplate(database.url, { migrations: 'prisma/migrations' })
 * await using clone = await cloneDatabase(template)
 * ```
 */
export async function cloneDatabase(template: TemplateDatabase): Promise<ClonedDatabase> {
  const { adminUrl } = template
  const name = relatedName(adminUrl)
  await withConnection(adminUrl, (sql) => sql`CREATE DATABASE ${sql(name)} TEMPLATE ${sql(template.name)}`)
  const drop = async () => {
    await withConnection(adminUrl, (sql) => sql`DROP DATABASE IF EXISTS ${sql(name)} WITH (FORCE)`)
  }
  return { url: withDatabaseName(adminUrl, name), drop, [Symbol.asyncDispose]: drop }
}

/** Whoever drops the database of `url` knows its relatives by the beginning of their names. */
function relatedName(url: string): string {
  return `${databaseName(url)}_${randomBytes(6).toString('hex')}`
}
