import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { claim, complete, type HeldLease, leaseLocker, type Locker, redisLocker } from 'rowlock/lockers'
import { HolderProcess } from '../../test/support/lockers/holder-process.js'
import { redisUrl } from '../../test/support/lockers/redis.js'
import { waitUntil } from '../../test/support/wait-until.js'
import { type Arena, type ArenaPrisma, openArena } from '../arena.js'
import type { Fault, Outcome, Plan } from '../fault.js'
import { Findings } from '../findings.js'
import { startAll } from '../start-all.js'
import type { JobHolderCommands } from '../holders/job-holder.js'

/** A process that is stopped while it holds something, and writes when another holder has taken over and written. */
interface Stoppable extends AsyncDisposable {
  /** Stops it while it holds this many, and adds what the late writes did. */
  stopHolding(count: number, round: number): Promise<void>
}

interface Scene {
  readonly arena: Arena
  readonly prisma: ArenaPrisma
  readonly findings: Findings
  readonly guarded: boolean
}

const TTL = 400
// One stop is for as many holds at once.
const BATCH = 10
// A guarded transaction keeps a connection of the stopped process, which has three.
const IN_TRANSACTION = 2
const TAKE_OVER = { timeout: 20_000 }
const JOB_REPORTS = ['complete', 'fail', 'extend'] as const
const JOB_HOLDER = new URL('../holders/job-holder.ts', import.meta.url).href

async function createEffects({ sql }: Arena, count: number): Promise<string[]> {
  const keys = Array.from({ length: count }, () => randomUUID())
  await sql`INSERT INTO effect (key) SELECT unnest(${keys}::text[])`
  return keys
}

/** Whether only the next holder's write is there, under a larger token. */
function judge({ findings }: Scene, stale: bigint, next: bigint, written: readonly bigint[]): void {
  findings.expect(next > stale, 'wrong', `token ${next} was granted after ${stale}`)
  findings.expect(written.filter((token) => token === next).length === 1, 'lost', `the write of ${next}: [${written.join(', ')}]`)
  findings.expect(!written.includes(stale), 'wrong', `what ${stale} wrote after ${next} is there: [${written.join(', ')}]`)
}

/** Whether a late writer was told so. */
function judgeOutcome({ findings, guarded }: Scene, outcome: string, refusals: readonly string[]): void {
  if (guarded) findings.expect(refusals.includes(outcome), 'untyped', `a late write ended with ${outcome}`)
}

async function writtenUnder({ arena }: Scene, key: string, column: 'tokens' | 'written'): Promise<bigint[]> {
  const [row] = await arena.sql<[{ tokens: string[] }]>`SELECT ${arena.sql(column)}::text[] AS tokens FROM effect WHERE key = ${key}`
  return row.tokens.map(BigInt)
}

async function startLeaseHolder(scene: Scene): Promise<Stoppable> {
  const { arena, prisma, findings, guarded } = scene
  const holder = await HolderProcess.start({ url: arena.url, ttl: TTL })
  const locker = leaseLocker(prisma, { ttl: 10_000 })

  const takeOver = (key: string) =>
    locker.withLock(
      key,
      async ({ fencingToken: token }) => {
        await prisma.$transaction(async (tx) => {
          await locker.guardedWrite(tx, token)
          await tx.$executeRaw`UPDATE effect SET tokens = tokens || ${token}::bigint WHERE key = ${key}`
        })
        return token
      },
      TAKE_OVER,
    )

  async function stopBeforeWriting(keys: readonly string[]): Promise<void> {
    const stale = await Promise.all(keys.map((key) => holder.tell('hold', key)))
    holder.stop()
    const next = await Promise.all(keys.map(takeOver))
    const writing = keys.map((key) => holder.tell(guarded ? 'write' : 'writeUnguarded', key))
    holder.goOn()
    for (const [index, outcome] of (await Promise.all(writing)).entries()) {
      judgeOutcome(scene, outcome, ['STALE_TOKEN'])
      judge(scene, stale[index]!, next[index]!, await writtenUnder(scene, keys[index]!, 'tokens'))
      const why = await holder.tell('whyLost', keys[index]!)
      findings.expect(why === 'LOCK_LOST', 'untyped', `the holder was told ${why} of its lease`)
    }
  }

  /** The server must have ended the transaction: nobody could take over otherwise. */
  async function stopInTransaction(keys: readonly string[]): Promise<void> {
    const stale = await Promise.all(keys.map((key) => holder.tell('hold', key)))
    for (const key of keys) await holder.tell('begin', key)
    holder.stop()
    const next = await Promise.all(keys.map(takeOver))
    const writing = keys.map((key) => holder.tell('finish', key))
    holder.goOn()
    for (const [index, outcome] of (await Promise.all(writing)).entries()) {
      judgeOutcome(scene, outcome, ['CONNECTION_LOST'])
      judge(scene, stale[index]!, next[index]!, await writtenUnder(scene, keys[index]!, 'tokens'))
    }
  }

  return {
    async stopHolding(count, round) {
      const keys = await createEffects(arena, count)
      const inTransaction = guarded && round === 0 ? keys.splice(0, IN_TRANSACTION) : []
      await stopBeforeWriting(keys)
      if (inTransaction.length > 0) await stopInTransaction(inTransaction)
    },
    [Symbol.asyncDispose]: () => holder.kill(),
  }
}

async function startRedisHolder(scene: Scene): Promise<Stoppable> {
  const { arena, findings, guarded } = scene
  const prefix = `rowlock-torture:${randomUUID()}:`
  const holder = await HolderProcess.start({ url: arena.url, ttl: TTL, program: 'redis-holder.ts', args: ['ioredis', prefix] })
  const redis = new Redis(redisUrl!)
  const locker: Locker<HeldLease> = redisLocker(redis, { ttl: 10_000, prefix })

  const takeOver = (key: string) =>
    locker.withLock(
      key,
      async ({ fencingToken: token }) => {
        await arena.sql`
          UPDATE effect SET token = ${String(token)}, written = written || ${String(token)}::bigint
          WHERE key = ${key} AND token <= ${String(token)}`
        return token
      },
      TAKE_OVER,
    )

  return {
    async stopHolding(count) {
      const keys = await createEffects(arena, count)
      const stale = await Promise.all(keys.map((key) => holder.tell('hold', key)))
      holder.stop()
      const next = await Promise.all(keys.map(takeOver))
      const writing = keys.map((key) => holder.tell(guarded ? 'write' : 'writeUnguarded', key))
      holder.goOn()
      for (const [index, outcome] of (await Promise.all(writing)).entries()) {
        judgeOutcome(scene, outcome, ['refused'])
        judge(scene, stale[index]!, next[index]!, await writtenUnder(scene, keys[index]!, 'written'))
        const why = await holder.tell('whyLost', keys[index]!)
        findings.expect(why === 'LOCK_LOST', 'untyped', `the holder was told ${why} of its lock in Redis`)
      }
    },
    async [Symbol.asyncDispose]() {
      await holder.kill()
      await redis.quit()
    },
  }
}

async function startJobHolder({ arena, prisma, findings, guarded }: Scene): Promise<Stoppable> {
  const { sql } = arena
  const holder = await HolderProcess.start<JobHolderCommands>({ url: arena.url, ttl: TTL, program: JOB_HOLDER })

  const takeOver = (queue: string) =>
    waitUntil(`the job of ${queue} is claimable`, async () => {
      await sql`SELECT pg_sleep(0.01)`
      const [job] = await claim(prisma.job, { where: { queue }, lease: 60_000 })
      return job
    })
  const stored = async (queue: string) => JSON.stringify(await sql`SELECT * FROM "Job" WHERE queue = ${queue}`)

  async function judgeEffects(queue: string, stale: number, next: number): Promise<void> {
    const effects = await sql<{ name: string }[]>`SELECT name FROM "Company" WHERE starts_with(name, ${queue}) ORDER BY id`
    const names = effects.map(({ name }) => name)
    findings.expect(names.includes(`${queue}, attempt ${next}`), 'lost', `the effect of attempt ${next} at ${queue}`)
    findings.expect(
      !names.includes(`${queue}, attempt ${stale}`),
      'doubled',
      `attempts ${stale} and ${next} at ${queue} both have an effect`,
    )
  }

  return {
    async stopHolding(count) {
      const queues = Array.from({ length: count }, () => randomUUID())
      await sql`INSERT INTO "Job" (queue) SELECT unnest(${queues}::text[])`
      const stale = await Promise.all(queues.map((queue) => holder.tell('hold', queue)))
      holder.stop()
      const taken = await Promise.all(queues.map(takeOver))
      const before = await Promise.all(queues.map(stored))
      const reporting = queues.map((queue, index) => holder.tell(guarded ? JOB_REPORTS[index % 3]! : 'completeUnguarded', queue))
      holder.goOn()
      for (const [index, outcome] of (await Promise.all(reporting)).entries()) {
        const [queue, job] = [queues[index]!, taken[index]!]
        if (guarded) findings.expect(outcome === 'STALE_CLAIM', 'untyped', `a late report ended with ${outcome}`)
        findings.expect((await stored(queue)) === before[index], 'wrong', `a late report changed the job of ${queue}`)
        findings.expect(job.attempt > stale[index]!, 'wrong', `attempt ${job.attempt} came after ${stale[index]}`)
        await prisma.$transaction(async (tx) => {
          await tx.company.create({ data: { name: `${queue}, attempt ${job.attempt}` } })
          if (guarded) await complete(tx.job, job)
        })
        await judgeEffects(queue, stale[index]!, job.attempt)
      }
    },
    [Symbol.asyncDispose]: () => holder.kill(),
  }
}

type Start = (scene: Scene) => Promise<Stoppable>

const HOLDERS: readonly Start[] = [startLeaseHolder, startJobHolder, ...(redisUrl === undefined ? [] : [startRedisHolder])]

/** Each kind of holder is stopped again and again, all kinds at once, until there were as many faults as planned. */
async function stopAll(scene: Scene, starts: readonly Start[], plan: Plan): Promise<number> {
  await using holders = await startAll(starts.map((start) => start(scene)))
  let started = 0
  let done = 0
  await Promise.all(
    holders.started.map(async (holder) => {
      for (let round = 0; started < plan.size && !plan.signal.aborted; round++) {
        const count = Math.min(BATCH, plan.size - started)
        started += count
        await holder.stopHolding(count, round)
        done += count
        plan.progress(`${done} holders stopped`)
      }
    }),
  )
  return done
}

async function run(plan: Plan, starts: readonly Start[] = HOLDERS, guarded = true): Promise<Outcome> {
  await using arena = await openArena()
  await arena.sql`
    CREATE TABLE effect (
      key text PRIMARY KEY, tokens bigint[] NOT NULL DEFAULT '{}', token bigint NOT NULL DEFAULT 0, written bigint[] NOT NULL DEFAULT '{}')`
  const findings = new Findings()
  const scene: Scene = { arena, prisma: arena.client(2 * BATCH).prisma, findings, guarded }
  const done = await stopAll(scene, starts, plan)
  await arena.findLeft(findings)
  const notes = [redisUrl === undefined ? 'without Redis: REDIS_URL is not set' : 'leases, jobs and Redis', ...findings.samples]
  return { ...findings.tally, faults: done, operations: 2 * done, notes }
}

export const holderStopped: Fault = {
  id: 'F5',
  title: 'holder stopped for longer than its lease, then continued',
  how: `SIGSTOP, another one takes over and writes, SIGCONT; ${BATCH} holds a stop`,
  sizes: { full: 500, ci: 50, unit: 'stopped holders' },
  run: (plan) => run(plan),
  controls: [
    { without: 'the token check', breaks: 'wrong', size: 10, run: (plan) => run(plan, [startLeaseHolder], false) },
    { without: "the check of a job's attempt", breaks: 'doubled', size: 10, run: (plan) => run(plan, [startJobHolder], false) },
  ],
}
