import { checkLedger } from 'rowlock/testing'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { enqueuePayments } from '../../examples/worker/payments.js'
import { useDatabase, waitUntil, waitUntilSessionsBlocked } from '../support/database.js'
import { startTestWorker } from '../support/examples/worker-process.js'
import { held } from '../support/held.js'
import { createWallet, createWorld, entriesOf, type World } from '../support/repositories/world.js'

// Each worker is a program that has to be translated first.
const PROCESSES = 120_000
const PATIENT = { timeout: 60_000 }

const database = useDatabase()
let world: World
beforeAll(() => {
  world = createWorld(database)
})
beforeEach(() => database.sql`TRUNCATE "Job", "User" CASCADE`.then(() => undefined))

const holdWallet = (userId: number) => held(world.other, (tx) => tx.wallet.findUnique({ where: { userId }, lock: 'forUpdate' }))
const holdJob = (id: bigint) => held(world.other, (tx) => tx.job.findUnique({ where: { id }, lock: 'forUpdate' }))

const jobs = () => world.other.job.findMany({ orderBy: { id: 'asc' } })
const creditsOf = async (userId: number) => (await entriesOf(world, userId)).length

/** A job of 10 for a wallet of its own, which is empty. */
async function enqueueOne(paymentId: string) {
  const { userId } = await createWallet(world, 0)
  await enqueuePayments(world.other, [{ paymentId, userId, amount: '10' }])
  const { id } = (await jobs()).at(-1)!
  return { userId, id }
}

const allCompleted = () =>
  waitUntil(
    'all jobs are completed',
    async () => {
      const [{ open }] = await database.sql<[{ open: number }]>`
        SELECT count(*)::int AS open FROM pg_sleep(0.01), "Job" WHERE "completedAt" IS NULL`
      return open === 0 ? true : undefined
    },
    PATIENT,
  )

/** How PostgreSQL has ended a transaction, once it has. */
const outcomeOf = (xid: string) =>
  waitUntil(`transaction ${xid} is over`, async () => {
    const [{ status }] = await database.sql<[{ status: string }]>`SELECT pg_xact_status(${xid}::xid8) AS status FROM pg_sleep(0.001)`
    return status === 'in progress' ? undefined : status
  })

/** Resolves with the session that waits for `holder`. */
const blockedBy = (holder: number) =>
  waitUntil(
    `a session waits for ${holder}`,
    async () => (await waitUntilSessionsBlocked(database.sql, 1, PATIENT)).find((session) => session.blockedBy.includes(holder)),
    PATIENT,
  )

describe('worker processes', { timeout: PROCESSES }, () => {
  test('credit every payment once, four of them on one table', async () => {
    const { userId, walletId } = await createWallet(world, 0)
    const payments = Array.from({ length: 200 }, (_, index) => ({ paymentId: `payment ${index}`, userId, amount: '1.01' }))
    await enqueuePayments(world.other, payments)
    await using a = startTestWorker(database)
    await using b = startTestWorker(database)
    await using c = startTestWorker(database)
    await using d = startTestWorker(database)
    await allCompleted()
    expect((await jobs()).filter(({ attempt }) => attempt !== 1)).toEqual([])
    expect(await checkLedger(world.other, { walletId, successes: 200 })).toMatchObject({ balance: '202.00' })
    expect([a, b, c, d].filter(({ lines }) => lines.length > 0).length).toBeGreaterThan(1)
  })

  test('lose nothing when one is killed after its effect: PostgreSQL aborts it, and another one has it once', async () => {
    const { userId, id } = await enqueueOne('payment of a killed worker')
    const wallet = await holdWallet(userId)
    await using killed = startTestWorker(database, { lease: 5_000 })
    const { pid } = await blockedBy(wallet.pid)
    const job = await holdJob(id)
    await wallet.rollback()

    // The credit is made, in a transaction of its own that waits to complete the job.
    expect((await blockedBy(job.pid)).pid).toBe(pid)
    const [{ xid }] = await database.sql<[{ xid: string }]>`SELECT backend_xid::text AS xid FROM pg_stat_activity WHERE pid = ${pid}`
    const [begun] = await jobs()
    expect([xid, await creditsOf(userId)]).toEqual([expect.stringMatching(/^\d+$/), 0])
    killed.kill('SIGKILL')
    expect(await killed.ended()).toBe('SIGKILL')
    await job.rollback()
    expect(await outcomeOf(xid)).toBe('aborted')
    expect(await creditsOf(userId)).toBe(0)

    await using other = startTestWorker(database)
    await allCompleted()
    const [done] = await jobs()
    expect([done!.attempt, await creditsOf(userId)]).toEqual([2, 1])
    expect(done!.completedAt!.getTime()).toBeGreaterThan(begun!.leaseExpiresAt!.getTime())
    await checkLedger(world.other)
    expect(killed.lines).toEqual([])
    expect(other.lines).toEqual([expect.stringMatching(/job \d+ \(attempt 2\) is completed$/)])
  })

  test('finish their job on SIGTERM, begin no other, and leave no connection', async () => {
    const { userId } = await enqueueOne('payment under way')
    const wallet = await holdWallet(userId)
    await using worker = startTestWorker(database, { name: 'stopped' })
    await blockedBy(wallet.pid)
    await enqueueOne('payment for later')
    worker.kill('SIGTERM')
    await wallet.rollback()
    expect(await worker.ended()).toBe(0)
    expect(await jobs()).toMatchObject([
      { attempt: 1, completedAt: expect.any(Date) as Date },
      { attempt: 0, completedAt: null },
    ])
    expect(await creditsOf(userId)).toBe(1)
    await waitUntil('the worker has no session', async () => {
      const sessions = await database.sql`SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'stopped%'`
      return sessions.length === 0 ? true : undefined
    })
  })
})

describe('naive worker processes', { timeout: PROCESSES }, () => {
  test('both do the job that both have read', async () => {
    const { userId } = await enqueueOne('payment of two workers')
    const wallet = await holdWallet(userId)
    await using first = startTestWorker(database, { naive: true })
    await using second = startTestWorker(database, { naive: true })
    await waitUntilSessionsBlocked(database.sql, 2, PATIENT)
    await wallet.rollback()
    await allCompleted()
    for (const worker of [first, second]) worker.kill('SIGTERM')
    expect([await first.ended(), await second.ended(), await creditsOf(userId)]).toEqual([0, 0, 2])
  })

  test('do a job again when the machine of one dies after its effect', async () => {
    const { userId, id } = await enqueueOne('payment of a killed worker')
    const job = await holdJob(id)
    await using killed = startTestWorker(database, { naive: true })
    const { pid } = await blockedBy(job.pid)
    expect(await creditsOf(userId)).toBe(1)
    killed.kill('SIGKILL')
    await killed.ended()
    // What it has sent PostgreSQL would still carry out, as that update waits in a session of its own.
    await database.sql`SELECT pg_terminate_backend(${pid}, 5000)`
    await job.rollback()
    await using other = startTestWorker(database, { naive: true })
    await allCompleted()
    other.kill('SIGTERM')
    expect([await other.ended(), await creditsOf(userId)]).toEqual([0, 2])
  })
})
