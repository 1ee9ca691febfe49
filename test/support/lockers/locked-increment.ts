import { setTimeout as pause } from 'node:timers/promises'
import postgres from 'postgres'
import type { Locker } from 'rowlock/lockers'
import { defineRaceActor, raceProcesses } from 'rowlock/testing'
import { expect } from 'vitest'
import type { TestDatabase } from '../database.js'

/** What a worker process makes its locker from. */
export interface IncrementInput {
  readonly url: string
  readonly key: string
}

/** A locker of a worker process, and how to close what it stands on. */
export interface ProcessLocker {
  readonly locker: Locker
  close(): Promise<unknown>
}

const COUNTER = 'counted under a lock'

/**
 * An actor for {@link expectExclusionAcrossProcesses}: adds one to a counter by reading it, pausing, and
 * writing it back, which only a lock makes right.
 */
export function lockedIncrement(connect: (input: IncrementInput) => ProcessLocker) {
  return defineRaceActor({
    connect: async ({ input }: { input: IncrementInput }) => {
      const sql = postgres(input.url, { max: 1, onnotice: () => undefined })
      await sql`SELECT 1`
      const { locker, close } = connect(input)
      return { locker, sql, [Symbol.asyncDispose]: async () => Promise.all([close(), sql.end()]) }
    },
    run: ({ client, input }: { client: { locker: Locker; sql: postgres.Sql }; input: IncrementInput }) =>
      client.locker.withLock(input.key, async () => {
        const [row] = await client.sql<[{ count: number }]>`SELECT count FROM "Company" WHERE name = ${COUNTER}`
        await pause(1)
        await client.sql`UPDATE "Company" SET count = ${row.count + 1} WHERE name = ${COUNTER}`
      }),
  })
}

/** 100 requests of 4 processes, 10 of them at a time in each, each adding one. */
export async function expectExclusionAcrossProcesses(
  database: TestDatabase,
  { module, exportName, key = 'counter' }: { readonly module: URL; readonly exportName: string; readonly key?: string },
): Promise<void> {
  await database.sql`
    INSERT INTO "Company" (name, count) VALUES (${COUNTER}, 0) ON CONFLICT (name) DO UPDATE SET count = 0`
  const input: IncrementInput = { url: database.url, key }
  const { errorSamples } = await raceProcesses({ processes: 4, requests: 100, concurrency: 40, module, exportName, input })
  expect(errorSamples).toEqual({})
  const [row] = await database.sql`SELECT count FROM "Company" WHERE name = ${COUNTER}`
  expect(row).toEqual({ count: 100 })
}
