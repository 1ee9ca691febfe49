import type { Pool } from 'pg'
import postgres from 'postgres'
import { afterAll, beforeAll, inject } from 'vitest'

import { cloneDatabase, type ClonedDatabase } from '../../src/harness/template-database.js'
import { useCleanCheck } from './clean-check.js'
import { throughPooler } from './through-pooler.js'

export { blockedBy, waitUntilBlocked, waitUntilSessionsBlocked, type BlockedSession } from './blocked-by.js'
export { expectClean, findLeftovers, useCleanCheck, type Leftover } from './clean-check.js'
export { waitUntil, type WaitOptions } from './wait-until.js'

/** A migrated database of the test file's own. Its properties are set from `beforeAll` on. */
export interface TestDatabase {
  /** For the clients under test. */
  readonly url: string
  /** One connection for probes and fixtures, which the clean check ignores. */
  readonly sql: postgres.Sql
  /** Adds a pool whose clients must all be back after every test; ended after the last one. */
  watch(pool: Pool): Pool
}

/**
 * Gives the test file a copy of the migrated template and drops it after the last test. After every
 * test, fails the test that left a transaction, a lock or a pool client behind.
 *
 * @example
 * ```ts
 * const database = useDatabase()
 * test('…', async () => { await database.sql`SELECT 1` })
 * ```
 */
export function useDatabase(): TestDatabase {
  const pools: Pool[] = []
  let clone: ClonedDatabase | undefined
  let sql: postgres.Sql | undefined
  const started = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error('The database is there from beforeAll on, not while tests are collected.')
    return value
  }
  beforeAll(async () => {
    clone = await cloneDatabase(inject('template'))
    sql = postgres(clone.url, { max: 1, onnotice: () => {} })
  })
  // Hooks run last in, first out: this is done when the test file's own clean-up is.
  afterAll(async () => {
    await Promise.all(pools.filter((pool) => !pool.ending).map((pool) => pool.end()))
    await sql?.end({ timeout: 1 })
    await clone?.drop()
  })
  useCleanCheck(
    () => started(sql),
    () => pools,
  )
  return {
    get url() {
      return throughPooler(started(clone).url)
    },
    get sql() {
      return started(sql)
    },
    watch(pool) {
      pools.push(pool)
      return pool
    },
  }
}
