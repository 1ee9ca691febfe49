import { performance } from 'node:perf_hooks'
import { DatabaseUnavailableError } from '../../harness/database-error.js'
import { startDatabase, type Database } from '../../harness/database.js'
import type { DemoResult, DemoScenarioResult } from '../../report/demo-result.js'
import { migrationsFolder } from '../own-package.js'
import type { DemoListener } from './demo-event.js'
import { createNaiveClient } from './naive-client.js'
import { raceVersion, type RaceContext } from './race-version.js'
import type { Scenario } from './scenario.js'

export interface DemoOptions {
  readonly scenarios: readonly Scenario[]
  /** Ends the demo: processes and database are gone when it has rejected. */
  readonly signal: AbortSignal
  readonly onEvent: DemoListener
}

/**
 * Runs every version of every scenario on a database of its own, which is gone afterwards.
 *
 * @throws {DatabaseUnavailableError} when there is no PostgreSQL to be had.
 * @throws {RaceError} when the worker processes cannot do their work, or `signal` aborts.
 */
export async function runDemo({ scenarios, signal, onEvent }: DemoOptions): Promise<DemoResult> {
  const startedAt = performance.now()
  onEvent({ type: 'starting' })
  await using database = await startMigrated()
  signal.throwIfAborted()
  onEvent({ type: 'started', database: database.source })
  const results = await runScenarios(scenarios, { url: database.url, signal, onEvent })
  onEvent({ type: 'stopping' })
  return { database: database.source, duration: performance.now() - startedAt, scenarios: results }
}

async function runScenarios(scenarios: readonly Scenario[], options: Omit<RaceContext, 'prisma'>): Promise<DemoScenarioResult[]> {
  const prisma = createNaiveClient({ url: options.url, poolSize: 2 })
  try {
    const results: DemoScenarioResult[] = []
    for (const [index, scenario] of scenarios.entries()) {
      options.onEvent({ type: 'scenario', scenario, position: index + 1, of: scenarios.length })
      const result = await runScenario(scenario, { ...options, prisma })
      options.onEvent({ type: 'scenario-done', result })
      results.push(result)
    }
    return results
  } finally {
    await prisma.$disconnect()
  }
}

async function runScenario(scenario: Scenario, context: RaceContext): Promise<DemoScenarioResult> {
  const { name, title, raced, rule } = scenario
  const versions = []
  for (const version of scenario.versions) versions.push(await raceVersion(scenario, version, context))
  return { name, title, raced, rule, versions }
}

/** PostgreSQL looks for deadlocks after a lock wait of 1 s by default, which most of the transfers would spend waiting. */
async function startMigrated(): Promise<Database> {
  try {
    return await startDatabase({ migrations: migrationsFolder, settings: { deadlock_timeout: '20ms' } })
  } catch (error) {
    // Only a superuser may set it, and the user of DATABASE_URL need not be one.
    if (!(error instanceof DatabaseUnavailableError) || !process.env['DATABASE_URL']) throw error
    return startDatabase({ migrations: migrationsFolder })
  }
}
