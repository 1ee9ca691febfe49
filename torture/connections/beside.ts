import type postgres from 'postgres'
import { waitUntil } from '../../test/support/wait-until.js'
import { withResolvers } from '../../test/support/with-resolvers.js'
import type { Movement } from '../movement.js'
import { moveUnderLock } from './calls.js'
import type { Client, Site } from './site.js'

/** Another caller of the same wallet, who has made a movement and not committed it. */
export interface Beside {
  /** The backend that holds the wallet. */
  readonly pid: number
  /** Commits, and resolves when its caller has been told. */
  commit(): Promise<void>
}

/** Makes a movement and keeps it uncommitted, so that whoever comes to its wallet has to wait. */
export async function moveBeside({ journal, findings }: Site, prisma: Client, movement: Movement): Promise<Beside> {
  const written = withResolvers<number>()
  const end = withResolvers<undefined>()
  const told = journal.record(movement, () =>
    moveUnderLock(prisma, movement, async (tx) => {
      const [{ pid }] = await tx.$queryRaw<[{ pid: number }]>`SELECT pg_backend_pid() AS pid`
      written.resolve(pid)
      await end.promise
    }),
  )
  const over = told.then((answer) => {
    if (answer.said === 'ok') return
    findings.add('untyped', `the movement beside was not met by any fault, and said ${answer.said}, ${answer.error}`)
    written.reject(new Error(`The movement beside failed: ${answer.error}`))
  })
  const pid = await written.promise
  return {
    pid,
    async commit() {
      end.resolve(undefined)
      await over
    },
  }
}

/** Resolves with a backend of the sessions named `name` once it waits for a lock that one of `holders` has, or is to have first. */
export function waitUntilBlockedBy(sql: postgres.Sql, name: string, holders: readonly number[]): Promise<number> {
  return waitUntil(`${name} waits for session ${holders.join(' or ')}`, async () => {
    const [row] = await sql<{ pid: number }[]>`
      SELECT pid FROM pg_sleep(0.002), pg_stat_activity
      WHERE application_name = ${name} AND wait_event_type = 'Lock' AND pg_blocking_pids(pid) && ${holders as number[]}::int[]`
    return row?.pid
  })
}
