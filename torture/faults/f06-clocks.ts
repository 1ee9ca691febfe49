import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { isRowLockError } from 'rowlock'
import { claim, leaseLocker, type Locker, redisLocker } from 'rowlock/lockers'
import { signIn } from 'rowlock/repositories'
import { HolderProcess } from '../../test/support/lockers/holder-process.js'
import { redisUrl } from '../../test/support/lockers/redis.js'
import { type Arena, type ArenaPrisma, openArena } from '../arena.js'
import type { Fault, Outcome, Plan } from '../fault.js'
import { Findings } from '../findings.js'
import type { ClockCommands } from '../holders/clock-client.js'
import { HALF_AN_HOUR, HOUR, MINUTE } from '../holders/clock-times.js'
import { startAll } from '../start-all.js'

interface Scene {
  readonly arena: Arena
  readonly prisma: ArenaPrisma
  readonly findings: Findings
  readonly redisPrefix: string
  readonly mode: Mode
}

/** Which commands the process with the wrong clock gets. */
interface Mode {
  readonly claim: 'claim' | 'claimByOwnClock'
  readonly signIn: 'signIn' | 'signInByOwnClock'
}

/** A process whose clock is wrong by `shift` milliseconds. */
interface Wrong extends AsyncDisposable {
  readonly shift: number
  readonly process: HolderProcess<ClockCommands>
}

/** Something that must come out as if the clock were right. */
type Scenario = (scene: Scene, wrong: Wrong) => Promise<void>

const RIGHT: Mode = { claim: 'claim', signIn: 'signIn' }
const PROGRAM = new URL('../holders/clock-client.ts', import.meta.url).href
const TTL = 5_000
// Between two looks at the server's clock, on a machine with more to do than it can.
const SLACK = 20_000

/** What the wrong process holds, nobody else gets; what it gives back, they do. */
async function keepsItsLease({ arena, prisma, findings }: Scene, { process }: Wrong): Promise<void> {
  const key = randomUUID()
  const locker = leaseLocker(prisma, { ttl: TTL })
  const first = await process.tell('lease', key)
  const [{ left }] = await arena.sql<[{ left: number }]>`
    SELECT (extract(epoch FROM "expiresAt" - clock_timestamp()) * 1000)::float8 AS left FROM "Lease" WHERE key = ${key}`
  findings.expect(left > 0 && left <= TTL, 'wrong', `its lease of ${TTL} ms lasts for ${left} ms`)
  await expectTaken(locker, key, findings)
  await process.tell('releaseLease', key)
  await expectNextToken(locker, key, first, findings)
}

async function leavesLeasesOfOthers({ prisma, findings }: Scene, { process }: Wrong): Promise<void> {
  const key = randomUUID()
  await leaseLocker(prisma, { ttl: TTL }).withLock(key, async () => {
    const answer = await process.tell('lease', key)
    findings.expect(answer === 'LOCK_NOT_AVAILABLE', 'doubled', `it got a lease that is held: ${String(answer)}`)
  })
}

async function keepsItsRedisLock({ findings, redisPrefix }: Scene, { process }: Wrong): Promise<void> {
  const key = randomUUID()
  const redis = new Redis(redisUrl!)
  try {
    const locker = redisLocker(redis, { ttl: TTL, prefix: redisPrefix })
    const first = await process.tell('redisLock', key)
    await expectTaken(locker, key, findings)
    await process.tell('releaseRedisLock', key)
    await locker.withLock(key, async () => {
      const answer = await process.tell('redisLock', key)
      findings.expect(answer === 'LOCK_NOT_AVAILABLE', 'doubled', `it got a lock in Redis that is held: ${String(answer)}`)
    })
    await expectNextToken(locker, key, first, findings)
  } finally {
    await redis.quit()
  }
}

async function expectTaken(locker: Locker, key: string, findings: Findings): Promise<void> {
  try {
    await (await locker.acquire(key, { nowait: true })).release()
    findings.add('doubled', 'its lock was had by two')
  } catch (error) {
    findings.expect(isRowLockError(error) && error.code === 'LOCK_NOT_AVAILABLE', 'untyped', String(error))
  }
}

async function expectNextToken(locker: Locker, key: string, first: unknown, findings: Findings): Promise<void> {
  const { fencingToken } = await locker.withLock(key, async (held) => held, { nowait: true })
  findings.expect(typeof first === 'bigint' && fencingToken! > first, 'wrong', `token ${fencingToken} after ${String(first)}`)
}

async function keepsItsJob(scene: Scene, { process }: Wrong): Promise<void> {
  const { prisma, findings } = scene
  const queue = await createJob(scene)
  await process.tell('claim', queue)
  for (const doing of ['claim', 'extend'] as const) {
    if (doing === 'extend') await process.tell('extend', queue)
    const { leaseExpiresAt } = await jobTimes(scene, queue)
    findings.expect(Math.abs(leaseExpiresAt! - MINUTE) < SLACK, 'wrong', `after ${doing} its job is its own for ${leaseExpiresAt} ms`)
    const others = await claim(prisma.job, { where: { queue }, lease: MINUTE })
    findings.expect(others.length === 0, 'doubled', `after ${doing} its job was had by two`)
  }
  const completed = await process.tell('complete', queue)
  const { completedAt } = await jobTimes(scene, queue)
  findings.expect(completed === 1 && Math.abs(completedAt!) < SLACK, 'wrong', `its job was completed ${completedAt} ms from now`)
}

async function leavesJobsOfOthers(scene: Scene, { process }: Wrong): Promise<void> {
  const { prisma, findings, mode } = scene
  const queue = await createJob(scene)
  await claim(prisma.job, { where: { queue }, lease: MINUTE })
  const attempt = await process.tell(mode.claim, queue)
  findings.expect(attempt === 0, 'doubled', 'it claimed a job that is held')
}

async function claimsWhatIsDue(scene: Scene, { process }: Wrong): Promise<void> {
  const { findings } = scene
  const later = await process.tell('claim', await createJob(scene, HALF_AN_HOUR))
  findings.expect(later === 0, 'wrong', 'it claimed a job half an hour before it is due')
  const due = await process.tell('claim', await createJob(scene))
  findings.expect(due === 1, 'stuck', 'it did not claim a job that is due')
}

async function failsForAsLongAsItSays(scene: Scene, { process }: Wrong): Promise<void> {
  const { prisma, findings } = scene
  const queue = await createJob(scene)
  await process.tell('claim', queue)
  await process.tell('failForNow', queue)
  const { runAt } = await jobTimes(scene, queue)
  findings.expect(Math.abs(runAt! - HALF_AN_HOUR) < SLACK, 'wrong', `its job is due again in ${runAt} ms`)
  const early = await claim(prisma.job, { where: { queue }, lease: MINUTE })
  findings.expect(early.length === 0, 'wrong', 'its job was due again at once')
}

async function createJob({ arena }: Scene, dueIn = -1): Promise<string> {
  const queue = randomUUID()
  await arena.sql`INSERT INTO "Job" (queue, "runAt") VALUES (${queue}, clock_timestamp() + ${dueIn} * interval '1 ms')`
  return queue
}

type JobTimes = Readonly<Record<'runAt' | 'leaseExpiresAt' | 'completedAt', number | null>>

/** In milliseconds from now by the server's clock. */
async function jobTimes({ arena: { sql } }: Scene, queue: string): Promise<JobTimes> {
  const fromNow = (column: string) => sql`(extract(epoch FROM ${sql(column)} - clock_timestamp()) * 1000)::float8`
  const [row] = await sql<[JobTimes]>`
    SELECT ${fromNow('runAt')} AS "runAt", ${fromNow('leaseExpiresAt')} AS "leaseExpiresAt", ${fromNow('completedAt')} AS "completedAt"
    FROM "Job" WHERE queue = ${queue}`
  return row
}

/** What it has run is of now, and what it forgets is of more than half an hour ago. */
async function forgetsWhatIsOld({ arena: { sql }, findings }: Scene, { process }: Wrong): Promise<void> {
  const key = randomUUID()
  await process.tell('once', key)
  const [{ age }] = await sql<[{ age: number }]>`
    SELECT (extract(epoch FROM clock_timestamp() - "createdAt") * 1000)::float8 AS age FROM "IdempotencyRecord" WHERE key = ${key}`
  findings.expect(Math.abs(age) < SLACK, 'wrong', `what it has run once is ${age} ms old`)
  for (const minutes of [25, 35]) {
    await sql`
      INSERT INTO "IdempotencyRecord" (operation, key, "inputHash", result, "createdAt")
      VALUES ('old', ${`${key} ${minutes}`}, '', '1', clock_timestamp() - ${minutes} * interval '1 minute')`
  }
  const swept = await process.tell('sweep', '')
  const left = await sql<{ key: string }[]>`SELECT key FROM "IdempotencyRecord" WHERE starts_with(key, ${key}) ORDER BY key`
  const right = swept === 1 && left.map((row) => row.key).join() === `${key},${key} 25`
  findings.expect(right, 'wrong', `it forgot ${String(swept)} and left ${left.length} of what was 0, 25 and 35 minutes old`)
}

/** The day begins between the server's time and its own: it must sign in for the server's day. */
async function signsInForTheServersDay({ arena: { sql }, prisma, findings, mode }: Scene, { shift, process }: Wrong): Promise<void> {
  const [{ now }] = await sql<[{ now: Date }]>`SELECT clock_timestamp() AS now`
  const border = new Date(now.getTime() + shift / 2)
  const dayStartsAt = border.toISOString().slice(11, 16)
  const sinceBorder = new Date(now.getTime() - (border.getTime() % (24 * HOUR)) + (border.getTime() % MINUTE))
  const expected = sinceBorder.toISOString().slice(0, 10)
  const [{ id }] = await sql<[{ id: number }]>`INSERT INTO "User" (name) VALUES ('early or late') RETURNING id`
  // The first one is a transaction, the second one a single statement.
  for (const user of [id, await oldHand(sql)]) {
    const day = await process.tell(mode.signIn, `${user} ${dayStartsAt}`)
    findings.expect(day === expected, 'wrong', `it signed in for ${String(day)} and not for ${expected}`)
    const again = await signIn(prisma, { userId: user }, { dayStartsAt }).catch((error: unknown) => error)
    const refused = isRowLockError(again) && again.code === 'ALREADY_SIGNED_IN'
    findings.expect(refused, 'doubled', `signed in twice on one day, ${expected}`)
  }
}

/** A user who has signed in before has a quota. */
async function oldHand(sql: Arena['sql']): Promise<number> {
  const [{ id }] = await sql<[{ id: number }]>`
    WITH "new" AS (INSERT INTO "User" (name) VALUES ('an old hand') RETURNING id)
    INSERT INTO "ReadingQuota" ("userId", remaining) SELECT id, 0 FROM "new" RETURNING "userId" AS id`
  return id
}

const SCENARIOS: readonly Scenario[] = [
  keepsItsLease,
  leavesLeasesOfOthers,
  keepsItsJob,
  leavesJobsOfOthers,
  claimsWhatIsDue,
  failsForAsLongAsItSays,
  forgetsWhatIsOld,
  signsInForTheServersDay,
  ...(redisUrl === undefined ? [] : [keepsItsRedisLock]),
]

async function startWrong(scene: Scene, shift: number): Promise<Wrong> {
  const process = await HolderProcess.start<ClockCommands>({
    url: scene.arena.url,
    ttl: TTL,
    shiftClock: shift,
    program: PROGRAM,
    args: [scene.redisPrefix],
  })
  return { shift, process, [Symbol.asyncDispose]: () => process.kill() }
}

/** Each scenario in turn, now with a clock that is fast and now with one that is slow. */
async function run(plan: Plan, scenarios: readonly Scenario[] = SCENARIOS, mode: Mode = RIGHT): Promise<Outcome> {
  await using arena = await openArena()
  const findings = new Findings()
  const scene: Scene = { arena, prisma: arena.client().prisma, findings, redisPrefix: `rowlock-torture:${randomUUID()}:`, mode }
  let done = 0
  {
    await using wrong = await startAll([HOUR, -HOUR].map((shift) => startWrong(scene, shift)))
    for (const { shift, process } of wrong.started) {
      const off = (await process.tell('now', '')) - Date.now()
      if (Math.abs(off - shift) > MINUTE) throw new Error(`The clock of the process is ${off} ms off and not ${shift}.`)
    }
    for (; done < plan.size && !plan.signal.aborted; done++) {
      await scenarios[Math.floor(done / 2) % scenarios.length]!(scene, wrong.started[done % 2]!)
      plan.progress(`${done + 1} scenarios`)
    }
  }
  await arena.findLeft(findings)
  const notes = [redisUrl === undefined ? 'without Redis: REDIS_URL is not set' : 'with Redis', ...findings.samples]
  return { ...findings.tally, faults: done, operations: 3 * done, notes }
}

export const clocks: Fault = {
  id: 'F6',
  title: 'clocks: a client that is an hour off, either way',
  how: 'processes whose Date is shifted: leases, jobs, sweeps, days of sign-ins, Redis',
  sizes: { full: 200, ci: 50, unit: 'uses of a wrong clock' },
  run: (plan) => run(plan),
  controls: [
    {
      without: "the server's clock for jobs",
      breaks: 'doubled',
      size: 10,
      run: (plan) => run(plan, [leavesJobsOfOthers], { ...RIGHT, claim: 'claimByOwnClock' }),
    },
    {
      without: "the server's clock for sign-ins",
      breaks: 'wrong',
      size: 10,
      run: (plan) => run(plan, [signsInForTheServersDay], { ...RIGHT, signIn: 'signInByOwnClock' }),
    },
  ],
}
