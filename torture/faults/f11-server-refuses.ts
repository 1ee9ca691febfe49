import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import postgres from 'postgres'
import { isRowLockError, type RowLockError, RetryExhaustedError } from 'rowlock'
import { claim, leaseLocker } from 'rowlock/lockers'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import { waitUntil } from '../../test/support/wait-until.js'
import { movementFor } from '../connections/calls.js'
import { type Client, openSite, type Site } from '../connections/site.js'
import type { Fault, Outcome, Plan } from '../fault.js'
import { acknowledgementOf } from '../journal.js'
import { idsOf, move, type Movement } from '../movement.js'

/** What a server refuses with while it works as it should. */
interface Refusal {
  readonly sqlState: string
  readonly error: string
  /** Whether asking again may help. */
  readonly passes: boolean
  /** What the clients' sessions are to be opened with. */
  readonly options?: string
  /** Makes the server refuse. */
  begin(site: Site): Promise<Refusing>
}

interface Refusing {
  /** Resolves when it does not any more. */
  end(): Promise<void>
}

/** A call of rowlock's that a server may refuse. */
interface Way {
  readonly name: string
  /** How often it has to be tried; undefined when it is rowlock's to say, and it must say so. */
  readonly attempts?: number
  run(prisma: Client, movement: Movement, onRetry: () => void): Promise<unknown>
}

const ATTEMPTS = 3
const STATEMENT_TIMEOUT = 100
const USERS = 8
const LEASE = 60_000
// Few enough for a server that is starting to keep them all waiting.
const AT_ONCE = 10
// A server that comes back takes its time; nobody asks for longer than that.
const PATIENT = { attempts: 1_000, deadline: 20_000, baseDelay: 10, maxDelay: 100 }

const lockWallet = (tx: { wallet: Client['wallet'] }, { userId }: Movement) =>
  tx.wallet.findUniqueOrThrow({ where: { userId }, lock: 'forNoKeyUpdate' })

const WAYS: readonly Way[] = [
  {
    name: 'a find with lock in $transactionWithRetry',
    attempts: ATTEMPTS,
    run: (prisma, movement, onRetry) =>
      prisma.$transactionWithRetry((tx) => lockWallet(tx as unknown as Client, movement), {
        retry: { attempts: ATTEMPTS, baseDelay: 1 },
        onRetry,
      }),
  },
  {
    name: 'a repository in $transactionWithRetry',
    attempts: ATTEMPTS,
    run: (prisma, movement, onRetry) =>
      prisma.$transactionWithRetry((tx) => move(tx, movement), { retry: { attempts: ATTEMPTS, baseDelay: 1 }, onRetry }),
  },
  {
    name: 'withLock',
    attempts: ATTEMPTS,
    run: (prisma, movement, onRetry) =>
      prisma.wallet.withLock({ where: { userId: movement.userId } }, (_, tx) => move(tx, movement), {
        retry: { attempts: ATTEMPTS, baseDelay: 1 },
        onRetry,
      }),
  },
  {
    name: 'a find with lock in $transaction',
    attempts: 1,
    run: (prisma, movement) => prisma.$transaction((tx) => lockWallet(tx as unknown as Client, movement)),
  },
  { name: 'a repository', run: (prisma, movement) => move(prisma, movement) },
  { name: 'a repository with a key', run: (prisma, movement) => move(prisma, { ...movement, key: `refused ${movement.id}` }) },
  { name: 'claim', attempts: 1, run: (prisma) => claim(prisma.job, { lease: LEASE }) },
  { name: 'a lease', attempts: 1, run: (prisma, { id }) => leaseLocker(prisma, { ttl: LEASE }).acquire(`refused ${id}`) },
]

const OCCUPANT = 'occupant'

const TOO_MANY: Refusal = {
  sqlState: '53300',
  error: 'ConnectionLostError',
  passes: true,
  async begin({ url, sql: probe }) {
    const occupants: postgres.Sql[] = []
    // Until the server has no place any more, the reserved ones included.
    for (;;) {
      const sql = postgres(url, { max: 1, onnotice: () => undefined, connection: { application_name: OCCUPANT } })
      const error = await sql`SELECT 1`.then(
        () => undefined,
        (reason: unknown) => reason,
      )
      if (error !== undefined) {
        await sql.end({ timeout: 1 })
        if ((error as { code?: unknown }).code !== '53300') throw error as Error
        break
      }
      occupants.push(sql)
    }
    return {
      async end() {
        await Promise.all(occupants.map((sql) => sql.end({ timeout: 1 })))
        await waitUntil('the server has its places back', async () => {
          const left = await probe`SELECT FROM pg_sleep(0.002), pg_stat_activity WHERE application_name = ${OCCUPANT}`
          return left.length === 0 || undefined
        })
      },
    }
  },
}

/**
 * A server one of whose processes has died ends all others and starts anew. Until the last of them has ended, which is
 * one that is stopped here, it tells everyone who connects that it is in recovery.
 */
const STARTING: Refusal = {
  sqlState: '57P03',
  error: 'ConnectionLostError',
  passes: true,
  async begin({ url }) {
    const open = async () => {
      const sql = postgres(url, { max: 1, onnotice: () => undefined, connect_timeout: 5 })
      const [{ pid }] = await sql<[{ pid: number }]>`SELECT pg_backend_pid() AS pid`
      return { sql, pid }
    }
    const [last, crashing] = [await open(), await open()]
    process.kill(last.pid, 'SIGSTOP')
    process.kill(crashing.pid, 'SIGKILL')
    await waitUntil('the server takes no connections', async () => ((await answerOf(url)) === '57P03' ? true : undefined))
    return {
      async end() {
        process.kill(last.pid, 'SIGCONT')
        await waitUntil('the server takes connections', async () => ((await answerOf(url)) === 'ready' ? true : undefined))
        await Promise.all([last, crashing].map(({ sql }) => sql.end({ timeout: 1 }).catch(() => undefined)))
      },
    }
  },
}

const READ_ONLY: Refusal = {
  sqlState: '25006',
  error: 'ReadOnlyError',
  passes: false,
  options: '-c default_transaction_read_only=on',
  begin: () => Promise.resolve({ end: () => Promise.resolve() }),
}

const TOO_SLOW: Refusal = {
  sqlState: '57014',
  error: 'StatementTimeoutError',
  passes: false,
  options: `-c statement_timeout=${STATEMENT_TIMEOUT}`,
  async begin({ url }) {
    const sql = postgres(url, { max: 1, onnotice: () => undefined })
    await sql.unsafe('BEGIN; LOCK TABLE "Wallet", "Job", "Lease" IN ACCESS EXCLUSIVE MODE')
    return {
      async end() {
        await sql.unsafe('ROLLBACK')
        await sql.end({ timeout: 1 })
      },
    }
  },
}

const REFUSALS: readonly Refusal[] = [TOO_MANY, STARTING, READ_ONLY, TOO_SLOW]

export const serverRefuses: Fault = {
  id: 'F11',
  title: 'Server full, starting, read-only or too slow',
  how: 'max_connections used up, recovery from a crash, default_transaction_read_only, statement_timeout',
  sizes: { full: 50, ci: 50, unit: 'calls of each kind' },
  run: (plan) => runAll(plan, refuseCalls),
  controls: [
    {
      without: 'rowlock: a plain Prisma client',
      breaks: 'untyped',
      size: 2,
      run: (plan) => runAll(plan, refusePlainCalls),
    },
    {
      without: 'the retry, where asking again helps',
      breaks: 'stuck',
      size: 2,
      run: (plan) => runAll(plan, (site, refusal, { size, random }) => outlive(site, refusal, size, random, { attempts: 1 })),
    },
  ],
  unavailable: () =>
    Promise.resolve(process.platform === 'win32' ? 'Windows has no signals by which a server can be kept from starting.' : undefined),
}

/** Returns how often the server refused. */
type Refuse = (site: Site, refusal: Refusal, plan: Plan) => Promise<number>

async function runAll(plan: Plan, refuse: Refuse): Promise<Outcome> {
  await using site = await openSite({ users: USERS, settings: { max_connections: '30' } })
  await site.sql`INSERT INTO "Job" ("queue") SELECT 'refused' FROM generate_series(1, ${plan.size}::int)`
  let faults = 0
  for (const refusal of REFUSALS) {
    if (plan.signal.aborted) break
    faults += await refuse(site, refusal, plan)
    plan.progress(`${refusal.sqlState}: ${faults}`)
  }
  const operations = await site.conclude()
  const [{ taken }] = await site.sql<[{ taken: number }]>`SELECT count(*)::int AS taken FROM "Job" WHERE "attempt" > 0`
  if (taken > 0) site.findings.add('falseNegatives', `${taken} jobs were claimed by calls that were refused`)
  return { faults, operations, ...site.findings.result }
}

async function refuseCalls(site: Site, refusal: Refusal, plan: Plan): Promise<number> {
  const { prisma } = site.client('refused', { max: AT_ONCE, ...(refusal.options && { options: refusal.options }) })
  let refused = 0
  for (let called = 0; called < plan.size && !plan.signal.aborted; called += AT_ONCE) {
    const ways = Array.from({ length: Math.min(AT_ONCE, plan.size - called) }, (_, index) => WAYS[(called + index) % WAYS.length]!)
    const refusing = await refusal.begin(site)
    try {
      const answers = await Promise.all(ways.map((way) => callRefused(site, refusal, way, prisma, plan.random)))
      refused += answers.filter(Boolean).length
    } finally {
      await refusing.end()
    }
  }
  if (refusal.passes) await outlive(site, refusal, Math.ceil(plan.size / 5), plan.random, PATIENT)
  return refused
}

const ids = idsOf(1)

/** Calls once, and judges the error, how often the call was tried, and what it says of that. */
async function callRefused(
  { journal, findings }: Site,
  refusal: Refusal,
  way: Way,
  prisma: Client,
  random: () => number,
): Promise<boolean> {
  const movement = movementFor({ keyed: false }, ids.next().value, 1 + Math.floor(random() * USERS), random)
  const what = `${way.name}, refused with ${refusal.sqlState}`
  let retries = 0
  let error: unknown
  const run = () =>
    way
      .run(prisma, movement, () => void retries++)
      .catch((reason: unknown) => {
        error = reason
        throw reason as Error
      })
  const told = await journal.record(movement, run)
  if (told.said === 'ok') findings.add('untyped', `${what}: was not refused`)
  if (!isRowLockError(error)) return false

  const tried = error instanceof RetryExhaustedError ? error.attempts : 1
  const last = error instanceof RetryExhaustedError ? (error.cause as RowLockError) : error
  if (last.name !== refusal.error) findings.add('untyped', `${what}: ${last.name}, and not ${refusal.error}`)
  if (last.sqlState !== refusal.sqlState) findings.add('untyped', `${what}: its sqlState is ${last.sqlState}`)
  if (last.retryable !== refusal.passes) findings.add('untyped', `${what}: retryable is ${last.retryable}`)
  const should = refusal.passes ? way.attempts : 1
  if (should === undefined ? tried < 2 : tried !== should)
    findings.add('untyped', `${what}: tried ${tried} times, and not ${should ?? 'again'}`)
  if (way.attempts === ATTEMPTS && retries !== tried - 1)
    findings.add('untyped', `${what}: says ${tried} attempts, and made ${retries + 1}`)
  return last.sqlState === refusal.sqlState
}

/** Calls that begin while the server refuses, and end well when it does not any more. */
async function outlive(
  site: Site,
  refusal: Refusal,
  size: number,
  random: () => number,
  retry: { readonly attempts: number },
): Promise<number> {
  if (!refusal.passes) return 0
  const { prisma } = site.client('patient', { max: 4 })
  const refusing = await refusal.begin(site)
  let refused = 0
  const calls = Array.from({ length: size }, async () => {
    const movement = movementFor({ keyed: false }, ids.next().value, 1 + Math.floor(random() * USERS), random)
    let wasRefused = false
    const note = () => {
      if (!wasRefused) refused++
      wasRefused = true
    }
    const run = () =>
      prisma
        .$transactionWithRetry((tx) => move(tx, movement), { retry, maxWait: 20_000, onRetry: note })
        .catch((error: unknown) => {
          note()
          throw error as Error
        })
    const told = await site.journal.record(movement, run)
    if (told.said !== 'ok') site.findings.add('stuck', `a call that had to outlive ${refusal.sqlState}: ${told.error}`)
  })
  await waitUntil('every call was refused', async () => (await answerOf(site.url), refused === size ? true : undefined))
  await refusing.end()
  await Promise.all(calls)
  return refused
}

/** What everyone gets who has no rowlock. */
async function refusePlainCalls(site: Site, refusal: Refusal, { size }: Plan): Promise<number> {
  const { url, findings } = site
  const pool = new Pool({ connectionString: url, max: 1, ...(refusal.options && { options: refusal.options }) })
  pool.on('error', () => undefined)
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) })
  const refusing = await refusal.begin(site)
  try {
    for (let number = 0; number < size; number++) {
      const told = await prisma.$queryRaw`SELECT "id" FROM "Wallet" FOR UPDATE`.then(() => undefined, acknowledgementOf)
      if (told?.said === 'untyped') findings.add('untyped', told.error)
    }
  } finally {
    await refusing.end()
    await prisma.$disconnect()
    await pool.end()
  }
  return size
}

/** What the server says to a new connection: a SQLSTATE, or that it is ready. */
async function answerOf(url: string): Promise<string> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined, connect_timeout: 2 })
  try {
    await sql`SELECT 1`
    return 'ready'
  } catch (error) {
    return String((error as { code?: unknown }).code)
  } finally {
    await sql.end({ timeout: 1 })
  }
}
