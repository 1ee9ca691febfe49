// `npm run migration [name]`: the SQL that prisma/schema.prisma needs beyond prisma/migrations. With a
// name it becomes a new migration, else it is printed. Like `prisma migrate dev --create-only`, on a
// throw-away database and without Prisma's native engine.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DateTime } from 'luxon'

import { startDatabase } from '../src/harness/database.js'
import { findSchemaDrift } from '../src/harness/schema-drift.js'

const path = (relative: string) => fileURLToPath(new URL(`../${relative}`, import.meta.url))

await using database = await startDatabase()
const sql = await findSchemaDrift(database.url, path('prisma/migrations'), path('prisma/schema.prisma'))
const name = process.argv[2]

if (sql === '') console.log('The migrations and prisma/schema.prisma agree.')
else if (name === undefined) console.log(sql)
else await writeMigration(name, sql)

async function writeMigration(name: string, sql: string): Promise<void> {
  const time = DateTime.utc().toFormat('yyyyMMddHHmmss')
  const folder = join('prisma', 'migrations', `${time}_${name.replaceAll(/\W+/g, '_')}`)
  await mkdir(path(folder), { recursive: true })
  await writeFile(path(join(folder, 'migration.sql')), `${sql}\n`)
  console.log(`Wrote ${join(folder, 'migration.sql')}. Add by hand what a Prisma schema cannot say.`)
}
