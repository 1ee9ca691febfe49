import { lockable, rowLocks } from 'rowlock'
import { explore, type ExploreOptions, type ExploreReport, type SearchOptions } from 'rowlock/testing'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import type { TestClient } from '../../support/client.js'
import { locksRowsOf, tampered, withoutLocks } from '../../support/repositories/tampered-client.js'
import { emptyTables, type Scenario } from './scenario.js'

type Adapter = Parameters<ExploreOptions<unknown>['client']>[0]

/** A client as Prisma makes it. */
export const plainClient = (adapter: Adapter): PrismaClient => new PrismaClient({ adapter })

/** A client with row locks. */
export const lockingClient = (adapter: Adapter): TestClient => plainClient(adapter).$extends(rowLocks())

/**
 * A client with row locks of which those on `table` are taken out. The adapter of the explorer puts locks
 * into statements below everything else, so a second `lockable` above it writes them where they can be seen.
 */
export const withoutLocksOn =
  (table: string) =>
  (adapter: Adapter): TestClient =>
    lockingClient(lockable(tampered(adapter, { rewrite: (sql) => (locksRowsOf(table, sql) ? withoutLocks(sql) : sql) })))

/** The options to explore a scenario with, on a database whose tables are the scenario's own. */
export function optionsOf<Client extends PrismaClient | TestClient>(
  { setup, actors, invariant }: Scenario<Client>,
  client: (adapter: Adapter) => Client,
  database: string,
  search: SearchOptions,
) {
  return {
    client,
    database,
    setup: async (prisma: Client) => {
      await emptyTables(prisma)
      await setup(prisma)
    },
    actors,
    invariant,
    search,
  } satisfies ExploreOptions<Client>
}

/** Explores a scenario by its invariant, or by what the operations leave one after another. */
export function exploreScenario<Client extends PrismaClient | TestClient>(
  scenario: Scenario<Client>,
  client: (adapter: Adapter) => Client,
  database: string,
  { serially = false, ...search }: SearchOptions & { readonly serially?: boolean } = {},
): Promise<ExploreReport> {
  const { invariant, ...options } = optionsOf(scenario, client, database, search)
  return explore(serially ? options : { ...options, invariant })
}
