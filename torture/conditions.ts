import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { cpus } from 'node:os'
import { startDatabase } from 'rowlock/testing'
import { withConnection } from '../src/harness/with-connection.js'

/** What a run was made with. */
export interface Conditions {
  readonly seed: number
  readonly sizes: 'full' | 'ci'
  /** Of the faults, where not their own. */
  readonly size?: number
  readonly date: string
  readonly processors: number
  readonly versions: Readonly<Record<'PostgreSQL' | 'Node' | 'Prisma' | 'rowlock', string>>
}

export async function describeConditions(run: Pick<Conditions, 'seed' | 'sizes' | 'size'>): Promise<Conditions> {
  return {
    ...run,
    date: new Date().toISOString().slice(0, 10),
    processors: cpus().length,
    versions: {
      PostgreSQL: await serverVersion(),
      Node: process.versions.node,
      Prisma: (createRequire(import.meta.url)('@prisma/client/package.json') as { version: string }).version,
      rowlock: (JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }).version,
    },
  }
}

async function serverVersion(): Promise<string> {
  await using database = await startDatabase()
  return await withConnection(database.url, async (sql) => {
    const [row] = await sql<[{ server_version: string }]>`SHOW server_version`
    return row.server_version
  })
}
