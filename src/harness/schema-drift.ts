import { readFile } from 'node:fs/promises'

import { readMigrations } from './migrations.js'
import { NO_FILTERS, withSchemaEngine } from './schema-engine.js'

// What the engine writes in place of SQL.
const NOTHING = '-- This is an empty migration.'

/**
 * The SQL that is missing from a folder of migrations to arrive at a Prisma schema; empty when they
 * agree. CHECK constraints are no part of a Prisma schema and therefore never differ.
 *
 * @param url - a database whose user may create another one: the migrations are run there.
 * @param migrations - the folder, in the format of `prisma migrate`.
 * @param schema - the path of `schema.prisma`.
 */
export async function findSchemaDrift(url: string, migrations: string, schema: string): Promise<string> {
  const list = await readMigrations(migrations)
  const files = [{ path: schema, content: await readFile(schema, 'utf8') }]
  const { stdout } = await withSchemaEngine(url, (engine) =>
    engine.diff({
      from: { tag: 'migrations', ...list },
      to: { tag: 'schemaDatamodel', files },
      script: true,
      exitCode: null,
      filters: NO_FILTERS,
    }),
  )
  const script = stdout?.trim() ?? ''
  return script === NOTHING ? '' : script
}
