import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import pg from 'pg'
import ts from 'typescript'
import type { Facts } from '../../src/doctor/check.js'
import { CHECKS } from '../../src/doctor/checks.js'
import { connectionsLike } from '../../src/doctor/connection.js'
import { diagnose } from '../../src/doctor/diagnose.js'
import { connectAdapter, poolOfAdapter, readClientFacts, type ClientFacts } from '../../src/doctor/facts/client-facts.js'
import { readDatabaseFacts, type DatabaseFacts } from '../../src/doctor/facts/database-facts.js'
import { readSourceFacts, type SourceFacts } from '../../src/doctor/facts/source-facts.js'

/** What a check says of these facts: `level: what` lines. */
export function remarksOf(check: string, facts: Facts): string[] {
  const only = CHECKS.filter(({ name }) => name === check)
  if (only.length === 0) throw new Error(`There is no check ${check}.`)
  return diagnose(facts, {}, only).map(({ level, what }) => `${level}: ${what}`)
}

export function databaseFacts(url: string): Promise<DatabaseFacts> {
  return readDatabaseFacts(connectionsLike({ Client: pg.Client, options: { connectionString: url } }))
}

export async function clientFacts(client: object): Promise<ClientFacts> {
  const adapter = await connectAdapter(client)
  try {
    return readClientFacts(client, poolOfAdapter(adapter))
  } finally {
    await adapter.dispose()
  }
}

/** A project of these files, gone with the variable. */
export async function writeProject(files: Readonly<Record<string, string>>): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'rowlock-doctor-'))
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true })
    await writeFile(join(path, name), text)
  }
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

/** What is found in one source file. */
export async function sourceFacts(text: string): Promise<SourceFacts> {
  await using project = await writeProject({ 'src/pay.ts': text })
  return await readSourceFacts(project.path, ts)
}
