import { LockNotAvailableError, StaleTokenError } from 'rowlock'
import { guardedWrite, leaseLocker } from 'rowlock/lockers'
import type { InvariantContext } from 'rowlock/testing'
import { LeaseTable } from '../../../src/lockers/lease-table.js'
import type { TestClient } from '../../support/client.js'
import { advanceServerClock } from '../../support/virtual-server-clock.js'
import type { Operation } from '../planted/planted-bug.js'
import type { Scenario } from './scenario.js'

type Tx = Parameters<Parameters<TestClient['$transaction']>[0]>[0]

const KEY = 'key'
const TTL = 30_000

/** A way to take a lease and to write under it. */
interface LeaseProtocol {
  /** The token, or undefined when another one holds the lease. */
  take(prisma: TestClient): Promise<bigint | undefined>
  /** Throws when the token is stale. */
  guard(tx: Tx, token: bigint): Promise<unknown>
}

export interface LeaseScenario extends Omit<Scenario<TestClient>, 'setup'> {
  /** With how many preemptions it is explored; undefined for all schedules. */
  readonly preemptions?: number
}

const locker = (prisma: TestClient) => leaseLocker(prisma, { ttl: TTL })

/** What rowlock does. Of the holders here none renews its lease in time, as if each were stopped at any moment. */
const ROWLOCK: LeaseProtocol = {
  take: async (prisma) => (await locker(prisma).acquire(KEY, { nowait: true }).catch(undefinedIfHeld))?.fencingToken,
  guard: guardedWrite,
}

/** A lease is taken, a write is made under it, and the lease is given back, by whoever gets it. */
const writer =
  (shared = false): Operation =>
  async (prisma) => {
    const held = await locker(prisma).acquire(KEY, { nowait: true, shared }).catch(undefinedIfHeld)
    if (!held) return 'held'
    const outcome = await writeWith(prisma, held.fencingToken, guardedWrite)
    await held.release()
    return outcome
  }

/** The same without giving back, by a protocol that may be broken. */
const writerOf =
  ({ take, guard }: LeaseProtocol): Operation =>
  async (prisma) => {
    const token = await take(prisma)
    return token === undefined ? 'held' : writeWith(prisma, token, guard)
  }

/** A renewal between the grant and the write. */
const renewer: Operation = async (prisma) => {
  const table = new LeaseTable(prisma, 'Lease', TTL)
  const { token } = await table.take({ key: KEY, shared: false, waits: false }, 'renewer')
  if (token === null) return 'held'
  const renewed = await table.renew(KEY, 'renewer')
  const outcome = await writeWith(prisma, token, guardedWrite)
  return renewed ? outcome : `lost, ${outcome}`
}

/** Writes are appended to one row, whose lock puts them in the order of their commits. */
function writeWith(prisma: TestClient, token: bigint, guard: LeaseProtocol['guard']): Promise<string> {
  const writing = prisma.$transaction(async (tx) => {
    await guard(tx, token)
    await tx.$executeRaw`UPDATE "Company" SET name = name || ' ' || ${String(token)} WHERE id = 1`
    return 'written'
  })
  return writing.catch((error: unknown) => {
    if (error instanceof StaleTokenError) return 'stale'
    throw error
  })
}

function undefinedIfHeld(error: unknown): undefined {
  if (!(error instanceof LockNotAvailableError)) throw error
}

const time =
  (milliseconds: number): Operation =>
  (prisma) =>
    advanceServerClock(prisma, milliseconds)
const twice =
  (operation: Operation): Operation =>
  async (prisma) => {
    await operation(prisma)
    await operation(prisma)
  }
const sweeper: Operation = (prisma) => locker(prisma).sweep({ olderThan: 60_000 })

export async function emptyLeases(prisma: TestClient): Promise<void> {
  await prisma.lease.deleteMany()
  await prisma.company.deleteMany()
  await prisma.company.create({ data: { id: 1, name: 'tokens:' } })
}

/** No write comes after one with a larger token, and of those who never share none has another one's. */
const noStaleWrite =
  ({ shared }: { readonly shared: boolean }) =>
  async (prisma: TestClient, { outcomes }: InvariantContext): Promise<string | true> => {
    const failed = Object.values(outcomes).find(({ status }) => status === 'rejected')
    if (failed) return `An operation failed: ${String((failed as { error: unknown }).error)}`
    const { name } = await prisma.company.findUniqueOrThrow({ where: { id: 1 } })
    const tokens = (name.match(/\d+/g) ?? []).map(BigInt)
    const stale = tokens.some((token, index) => index > 0 && (shared ? token < tokens[index - 1]! : token <= tokens[index - 1]!))
    return stale ? `The writes were made with the tokens ${tokens.join(', ')}.` : true
  }

const exclusively = noStaleWrite({ shared: false })
const expires = time(TTL + 1)

export const leaseScenarios: readonly LeaseScenario[] = [
  {
    title: 'two holders, of whom each may be outrun by time',
    actors: { first: writer(), second: writer(), time: expires },
    invariant: exclusively,
  },
  {
    title: 'a holder that renews its lease, another one, and time',
    actors: { renewer, second: writerOf(ROWLOCK), time: expires },
    invariant: exclusively,
  },
  {
    title: 'three holders, and time that passes twice',
    actors: { first: writerOf(ROWLOCK), second: writerOf(ROWLOCK), third: writerOf(ROWLOCK), time: twice(expires) },
    invariant: exclusively,
    preemptions: 2,
  },
  {
    title: 'two who share the lease, one who does not, and time',
    actors: { reader: writer(true), another: writer(true), writer: writer(), time: expires },
    invariant: noStaleWrite({ shared: true }),
    preemptions: 1,
  },
  {
    title: 'two holders, time, and a sweep that deletes the lease between them',
    actors: { first: writerOf(ROWLOCK), second: writerOf(ROWLOCK), time: time(TTL + 60_001), sweeper },
    invariant: exclusively,
    preemptions: 2,
  },
]

/** As in lock tables found in the wild: an expired row is deleted, and counting begins anew. */
const DELETED_AND_INSERTED: LeaseProtocol = {
  ...ROWLOCK,
  async take(prisma) {
    await prisma.$executeRaw`DELETE FROM "Lease" WHERE key = ${KEY} AND "expiresAt" <= clock_timestamp()`
    const [row] = await prisma.$queryRaw<{ token: bigint }[]>`
      INSERT INTO "Lease" (key, token, owners, shared, "expiresAt")
      VALUES (${KEY}, 1, '{owner}', false, clock_timestamp() + ${TTL} * interval '1 millisecond')
      ON CONFLICT DO NOTHING RETURNING token`
    return row?.token
  },
}

const CHECKED_WITHOUT_LOCK: LeaseProtocol = {
  ...ROWLOCK,
  async guard(tx, token) {
    const lease = await tx.lease.findUnique({ where: { token } })
    if (!lease) throw new StaleTokenError('stale', { token })
  },
}

const brokenTwin = (protocol: LeaseProtocol): LeaseScenario['actors'] => ({
  first: writerOf(protocol),
  second: writerOf(protocol),
  time: expires,
})

export const brokenLeases: readonly LeaseScenario[] = [
  { title: 'the token is checked without a lock', actors: brokenTwin(CHECKED_WITHOUT_LOCK), invariant: exclusively },
  {
    title: 'the row of an expired lease is deleted and a new one inserted',
    actors: brokenTwin(DELETED_AND_INSERTED),
    invariant: exclusively,
  },
  { title: 'nothing is checked', actors: brokenTwin({ ...ROWLOCK, guard: async () => undefined }), invariant: exclusively },
]
