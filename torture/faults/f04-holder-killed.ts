import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isRowLockError } from 'rowlock'
import { HolderProcess } from '../../test/support/lockers/holder-process.js'
import { redisUrl } from '../../test/support/lockers/redis.js'
import { type Arena, openArena } from '../arena.js'
import type { Fault, Outcome, Plan } from '../fault.js'
import { Findings, findLedgerViolations } from '../findings.js'
import {
  BEFORE,
  DURING,
  effectOf,
  type HolderMode,
  type HoldRequest,
  holdOf,
  type ManyHolderCommands,
  type ManyHolderInput,
} from '../holders/hold-request.js'
import { connectTools, type Holding, type Kind, type KindName, KINDS, type Tools, TTL } from '../holders/kinds.js'

interface Mode extends HolderMode {
  /** How the holder's process is ended. */
  readonly end: 'SIGKILL' | 'SIGSTOP'
}

/** What one process holds for one user, and the one who waits for it. */
interface Hold {
  readonly kind: KindName
  readonly userId: number
  token: unknown
  next?: Next
}

interface Next {
  readonly done: Promise<void>
  token: bigint | undefined
  /** When it had what the killed one held. */
  heldAt: number | undefined
}

const MODE: Mode = { keyed: true, locked: true, end: 'SIGKILL' }
const PROGRAM = new URL('../holders/many-holder.ts', import.meta.url).href
// At a time: some start while others are waited for.
const LANES = 3
// Beyond what has to pass: what the server takes to notice, and the next one to ask again.
const GRACE = 10_000
const POOL = 30

const kindNames = (Object.keys(KINDS) as KindName[]).filter((name) => redisUrl !== undefined || !(KINDS[name] as Kind).needsRedis)

async function createUsers({ sql }: Arena, count: number): Promise<number[]> {
  const users = await sql<{ id: number }[]>`INSERT INTO "User" (name) SELECT 'holder' FROM generate_series(1, ${count}) RETURNING id`
  const ids = users.map(({ id }) => id)
  await sql`INSERT INTO "Wallet" ("userId") SELECT unnest(${ids}::int[])`
  await sql`INSERT INTO "Job" (queue) SELECT 'user ' || unnest(${ids}::int[])`
  return ids
}

/** The next one does as the killed one: takes it, does the same work under the same key, and gives it back. */
function waitAsNext(tools: Tools, { kind, userId }: Hold, mode: Mode): Next {
  const next: Next = { done: Promise.resolve(), token: undefined, heldAt: undefined }
  const effect = effectOf(userId, mode)
  const noteEffect: typeof effect = async (db) => {
    next.heldAt ??= performance.now()
    return effect(db)
  }
  const pause = async (held?: Holding) => void (next.token = held?.token)
  const hold = () => holdOf(kind, mode)(tools, userId, { effect: noteEffect, pause })
  // Who was too slow to renew a lease has rightly lost it, and tries again as any caller would.
  const done = hold().catch((error: unknown) => {
    if (isRowLockError(error) && error.code === 'LOCK_LOST') return hold()
    throw error
  })
  done.catch(() => undefined)
  return Object.assign(next, { done })
}

/** Holds each once: what is done for the first time takes long, and a lease must be renewed meanwhile. */
async function warmUp(arena: Arena, tools: Tools): Promise<void> {
  const users = await createUsers(arena, kindNames.length)
  for (const [index, kind] of kindNames.entries()) {
    const userId = users[index]!
    await KINDS[kind].hold(tools, userId, { effect: effectOf(userId, MODE), pause: async () => undefined })
  }
}

/** Kills a process that holds as many things as `kinds`, and lets others take them over; returns how many it did hold by then. */
async function killOne(arena: Arena, tools: Tools, input: ManyHolderInput, kinds: readonly KindName[], mode: Mode, findings: Findings) {
  const { sql } = arena
  await using holder = await HolderProcess.start<ManyHolderCommands>({
    url: arena.url,
    ttl: TTL,
    program: PROGRAM,
    args: [JSON.stringify(input)],
  })
  const users = await createUsers(arena, kinds.length)
  const holds = kinds.map((kind, index): Hold => ({ kind, userId: users[index]!, token: undefined }))
  // One after another, leases last: a process that does something for the first time may be busy with that for long.
  for (const hold of holds) hold.token = await holder.tell('hold', requestOf(hold))
  for (const hold of holds) {
    findings.expect(typeof hold.token !== 'string', 'untyped', `${hold.kind} could not be held: ${String(hold.token)}`)
    hold.next = waitAsNext(tools, hold, mode)
  }
  // Longer than a lease lasts that nobody renews.
  await sql`SELECT pg_sleep(${(1.2 * TTL) / 1_000})`
  let lost = 0
  for (const hold of holds) {
    if (hold.next!.heldAt === undefined) continue
    // A holder that could not renew its lease has been told so, and does not hold it any more.
    if (await holder.tell('hasLost', requestOf(hold))) lost++
    else findings.add('wrong', `${hold.kind} was had by two at once`)
  }

  const killedAt = performance.now()
  if (mode.end === 'SIGKILL') await holder.kill()
  else holder.stop()
  await Promise.all(holds.map((hold) => judge(hold, killedAt, findings)))
  await holder.kill()
  await Promise.allSettled(holds.map(({ next }) => next!.done))
  for (const { kind, userId } of holds) await judgeEffects(arena, kind, userId, findings)
  return holds.length - lost
}

const requestOf = ({ kind, userId }: Hold) => JSON.stringify({ kind, userId } satisfies HoldRequest)

async function judge({ kind, token, next }: Hold, killedAt: number, findings: Findings): Promise<void> {
  const bound = KINDS[kind].lasts + GRACE
  const bounded = new AbortController()
  try {
    await Promise.race([next!.done, sleep(bound, undefined, { signal: bounded.signal })])
  } catch (error) {
    findings.add('untyped', `${kind}, the next one: ${String(error)}`)
  } finally {
    bounded.abort()
  }
  const waited = (next!.heldAt ?? Infinity) - killedAt
  findings.expect(waited < bound, 'stuck', `${kind} was not had within ${bound} ms`)
  if (typeof token === 'bigint' && next!.token !== undefined) {
    findings.expect(next!.token > token, 'wrong', `${kind}: token ${next!.token} after ${token}`)
  }
}

/** Whatever the killed one committed, and whatever died with it, is there once. */
async function judgeEffects({ sql }: Arena, kind: KindName, userId: number, findings: Findings): Promise<void> {
  const rows = await sql<{ amount: number }[]>`
    SELECT amount::float8 AS amount FROM "WalletEntry" JOIN "Wallet" ON "Wallet".id = "walletId" WHERE "userId" = ${userId}`
  for (const amount of [BEFORE, DURING]) {
    const times = rows.filter((row) => row.amount === amount).length
    findings.expect(times > 0, 'lost', `${kind}: the credit ${amount === BEFORE ? 'before' : 'under'} the lock`)
    findings.expect(times < 2, 'doubled', `${kind}: the credit ${amount === BEFORE ? 'before' : 'under'} the lock, ${times} times`)
  }
  findings.expect(!rows.some(({ amount }) => amount !== BEFORE && amount !== DURING), 'phantoms', `${kind}: ${JSON.stringify(rows)}`)
}

async function run(plan: Plan, mode: Mode = MODE): Promise<Outcome> {
  await using arena = await openArena()
  const findings = new Findings()
  const input: ManyHolderInput = { url: arena.url, poolSize: POOL, redisUrl, redisPrefix: `rowlock-torture:${randomUUID()}:`, mode }
  let started = 0
  let killed = 0
  {
    await using tools = connectTools({ ...input, poolSize: LANES * POOL })
    await warmUp(arena, tools)
    const lane = async () => {
      while (started < plan.size && !plan.signal.aborted) {
        const first = started
        const count = Math.min(kindNames.length, plan.size - started)
        started += count
        // The last process may hold fewer kinds: each time others.
        const kinds = Array.from({ length: count }, (_, index) => kindNames[(first + index) % kindNames.length]!)
        const held = await killOne(arena, tools, input, kinds, mode, findings)
        killed += held
        plan.progress(`${killed} holders killed`)
      }
    }
    await Promise.all(Array.from({ length: LANES }, lane))
    await findLedgerViolations(tools.prisma, findings)
  }
  await arena.findLeft(findings)
  const [jobs] = await arena.sql<[{ open: number }]>`
    SELECT count(*)::int AS open FROM "Job" WHERE attempt > 0 AND "completedAt" IS NULL`
  findings.expect(jobs.open === 0, 'left', `${jobs.open} jobs that nobody completed`)
  const notes = [redisUrl === undefined ? 'without Redis: REDIS_URL is not set' : `${kindNames.length} kinds of holds`, ...findings.samples]
  return { ...findings.tally, faults: killed, operations: 2 * killed, notes }
}

export const holderKilled: Fault = {
  id: 'F4',
  title: 'process killed with -9 while holding row locks, advisory locks, leases and jobs',
  how: `kill -9 of a process that holds ${kindNames.length} things, each of which somebody waits for`,
  sizes: { full: 500, ci: 50, unit: 'killed holders' },
  run: (plan) => run(plan),
  controls: [
    { without: 'the idempotency key', breaks: 'doubled', size: 10, run: (plan) => run(plan, { ...MODE, keyed: false }) },
    { without: 'the lock', breaks: 'wrong', size: 10, run: (plan) => run(plan, { ...MODE, locked: false }) },
    { without: 'the kill', breaks: 'stuck', size: 10, run: (plan) => run(plan, { ...MODE, end: 'SIGSTOP' }) },
  ],
}
