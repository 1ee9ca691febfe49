import type postgres from 'postgres'

import { waitUntil, type WaitOptions } from './wait-until.js'

/** A session that waits for a lock. */
export interface BlockedSession {
  readonly pid: number
  /** The sessions that it waits for. */
  readonly blockedBy: readonly number[]
  /** The statement that waits. */
  readonly query: string
}

/** The process ids of the sessions that the session `pid` waits for right now; empty when for none. */
export async function blockedBy(sql: postgres.Sql, pid: number): Promise<number[]> {
  const [row] = await sql<[{ pids: number[] }]>`SELECT pg_blocking_pids(${pid}) AS pids`
  return row.pids
}

/**
 * Resolves once the session `pid` waits for a lock.
 *
 * @returns the process ids of the sessions that it waits for.
 */
export async function waitUntilBlocked(sql: postgres.Sql, pid: number, options?: WaitOptions): Promise<number[]> {
  return waitUntil(
    `session ${pid} waits for a lock`,
    async () => {
      const [row] = await sql<[{ pids: number[] }]>`SELECT pg_blocking_pids(${pid}) AS pids FROM pg_sleep(0.001)`
      return row.pids.length > 0 ? row.pids : undefined
    },
    options,
  )
}

/**
 * Resolves once `count` sessions of the probe's database wait for locks: for statements that run on
 * a connection nobody knows the process id of, such as Prisma's own.
 */
export async function waitUntilSessionsBlocked(sql: postgres.Sql, count: number, options?: WaitOptions): Promise<BlockedSession[]> {
  return waitUntil(
    `${count} sessions wait for locks`,
    async () => {
      const sessions = await blockedSessions(sql)
      return sessions.length >= count ? sessions : undefined
    },
    options,
  )
}

async function blockedSessions(sql: postgres.Sql): Promise<BlockedSession[]> {
  // Only sessions that wait for a lock: pg_blocking_pids stops the whole lock manager for a moment.
  return sql<BlockedSession[]>`
    SELECT pid, pg_blocking_pids(pid) AS "blockedBy", query
    FROM pg_sleep(0.001), pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND cardinality(pg_blocking_pids(pid)) > 0`
}
