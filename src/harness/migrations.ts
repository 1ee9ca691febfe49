import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'

import type { MigrationDirectory, MigrationList } from '@prisma/schema-engine-wasm'

import { InvalidOptionError } from '../core/errors.js'
import { parseDatabaseUrl } from './database-url.js'
import { MigrationError } from './database-error.js'
import { NO_FILTERS, withSchemaEngine } from './schema-engine.js'

const LOCK_FILE = 'migration_lock.toml'
const SCRIPT = 'migration.sql'

/**
 * Applies the migrations of a folder that the database has not had yet, as `prisma migrate deploy`
 * does and with the same bookkeeping in `_prisma_migrations`: either can go on where the other
 * stopped. A second run applies nothing.
 *
 * @param url - the database to migrate.
 * @param folder - in the format of `prisma migrate`: a folder a migration, and `migration_lock.toml`.
 * @returns the names of the migrations just applied, in order.
 * @throws {InvalidOptionError} when there is no such folder, or it holds no migrations.
 * @throws {MigrationError} when a migration fails, or an earlier one failed and was not resolved.
 *
 * @example
 * ```ts
 * const applied = await applyMigrations('postgresql://localhost/app', 'prisma/migrations')
 * ```
 */
export async function applyMigrations(url: string, folder: string): Promise<string[]> {
  parseDatabaseUrl(url, 'url')
  const migrationsList = await readMigrations(folder)
  try {
    const { appliedMigrationNames } = await withSchemaEngine(url, (engine) =>
      engine.applyMigrations({ migrationsList, filters: NO_FILTERS }),
    )
    return appliedMigrationNames
  } catch (cause) {
    throw toMigrationError(cause, folder)
  }
}

/**
 * Reads a migrations folder into the form that the schema engine takes.
 *
 * @throws {InvalidOptionError} when there is no such folder, or it holds no migrations.
 */
export async function readMigrations(folder: string): Promise<MigrationList> {
  const baseDir = typeof folder === 'string' ? resolve(folder) : ''
  const entries = baseDir === '' ? [] : await readdir(baseDir, { withFileTypes: true }).catch(() => [])
  // The names begin with a time: their order is the order to apply them in.
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  const migrationDirectories = await Promise.all(names.sort().map((name) => readMigration(baseDir, name)))
  if (!migrationDirectories.some(({ migrationFile }) => migrationFile.content.tag === 'ok')) {
    throw new InvalidOptionError('migrations', folder, 'a folder of migrations in the format of `prisma migrate`')
  }
  const lock = await readFile(join(baseDir, LOCK_FILE), 'utf8').catch(() => null)
  return {
    baseDir,
    lockfile: { path: LOCK_FILE, content: lock },
    shadowDbInitScript: '',
    migrationDirectories,
  }
}

async function readMigration(baseDir: string, name: string): Promise<MigrationDirectory> {
  const file = join(baseDir, name, SCRIPT)
  const content = await readFile(file, 'utf8').then(
    (value) => ({ tag: 'ok' as const, value }),
    (error: unknown) => ({ tag: 'error' as const, value: String(error) }),
  )
  return { path: name, migrationFile: { path: SCRIPT, content } }
}

/** The engine's message without the trace of its own source files; that stays in `cause`. */
function toMigrationError(cause: unknown, folder: string): MigrationError {
  const { message = String(cause), code } = cause as { message?: string; code?: string }
  const [reason = message] = message.split(/\n\s+0: /)
  const failed = /migration_name="([^"]+)"/.exec(message)?.[1]
  const what = failed === undefined ? `The migrations of ${folder} could not be applied` : `The migration ${failed} failed`
  const words = reason.replace(/^external connector error\n/, '').trim()
  return new MigrationError(`${what}: ${code === undefined ? '' : `${code}: `}${words}`, { cause })
}
