// `npm run migrate`: applies prisma/migrations to the database of DATABASE_URL. `prisma migrate deploy`
// does it where its engine can be had. Prisma downloads that engine from a server of its own; where
// only the npm registry can be reached, the same engine from its WebAssembly package takes over.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { applyMigrations } from '../src/harness/migrations.js'

const path = (relative: string) => fileURLToPath(new URL(`../${relative}`, import.meta.url))

// The engine's file name is in the address that could not be fetched, from whichever mirror.
const ENGINE_NOT_FETCHED = /https?:\/\/\S+\/schema-engine\S*/

process.exitCode = await migrate(process.env['DATABASE_URL'])

async function migrate(url: string | undefined): Promise<number> {
  if (!url) {
    console.error('DATABASE_URL is not set. Set it to the database to migrate: DATABASE_URL=postgresql://… npm run migrate')
    return 1
  }
  const deploy = runPrisma()
  if (deploy.status === 0) {
    process.stdout.write(deploy.output)
    console.log('Migrated by prisma migrate deploy.')
    return 0
  }
  if (ENGINE_NOT_FETCHED.test(deploy.output)) return migrateWithPackagedEngine(url)
  process.stderr.write(deploy.output)
  return deploy.status
}

function runPrisma(): { status: number; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path('node_modules/prisma/build/index.js'), 'migrate', 'deploy'], {
    cwd: path('.'),
    encoding: 'utf8',
    env: { ...process.env, PRISMA_HIDE_UPDATE_MESSAGE: '1' },
  })
  return { status: status ?? 1, output: stdout + stderr }
}

async function migrateWithPackagedEngine(url: string): Promise<number> {
  try {
    const applied = await applyMigrations(url, path('prisma/migrations'))
    const what = applied.length === 0 ? 'nothing to apply' : `applied ${applied.join(', ')}`
    console.log(`Migrated by @prisma/schema-engine-wasm (Prisma's native engine cannot be downloaded here): ${what}.`)
    return 0
  } catch (error) {
    console.error((error as Error).message)
    return 1
  }
}
