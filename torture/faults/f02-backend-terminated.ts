import type postgres from 'postgres'
import { held } from '../../test/support/held.js'
import { tampered, withoutLocks } from '../../test/support/repositories/tampered-client.js'
import { waitUntil } from '../../test/support/wait-until.js'
import { withResolvers } from '../../test/support/with-resolvers.js'
import { moveBeside, waitUntilBlockedBy } from '../connections/beside.js'
import { type Call, CALLS, movementFor, moveUnderLock } from '../connections/calls.js'
import { JOB_CALLS, type JobCall, type Jobs, openJobs, verifyJobs } from '../connections/job-calls.js'
import { type Placement, placedClients } from '../connections/placed-client.js'
import { type Expected, runBlindly, settle, settleJob } from '../connections/settle.js'
import { type Client, type ClientOptions, openSite, type Site } from '../connections/site.js'
import { findStopped, installStages, letGo, STAGE_SETTINGS, STAGES, type Stage, stopAt, stopNoMore } from '../connections/stages.js'
import type { Fault, Outcome, Plan } from '../fault.js'
import { idsOf, type Movement } from '../movement.js'

/** Where a call's backend is terminated. */
type Place = 'before the lock wait' | 'in the lock wait' | 'before COMMIT' | Stage

interface Case {
  readonly call: Call | JobCall
  readonly place: Place
}

/** What is taken out, for a control. */
interface Taken {
  readonly cases: readonly Case[]
  readonly tamper?: ClientOptions['tamper']
  readonly blindly?: boolean
}

const SLOTS = 20

const allCases: readonly Case[] = [
  ...casesOf([...CALLS, ...JOB_CALLS], ['before the lock wait', ...STAGES]),
  // A claim waits for nobody.
  ...casesOf([...CALLS, ...JOB_CALLS.filter(({ report }) => report === 'complete')], ['in the lock wait']),
  ...casesOf(
    CALLS.filter(({ form }) => form === 'transaction'),
    ['before COMMIT'],
  ),
]

export const backendTerminated: Fault = {
  id: 'F2',
  title: 'Backend terminated around a lock wait and in COMMIT',
  how: 'pg_terminate_backend, at the place where PostgreSQL says that it is',
  sizes: { full: 2_000, ci: 200, unit: 'backends' },
  run: (plan) => runTerminations(plan, { cases: allCases }),
  controls: [
    {
      without: 'the refusal to repeat an ambiguous commit: retried without a key',
      breaks: 'doubled',
      size: 20,
      run: (plan) =>
        runTerminations(plan, {
          cases: casesOf(
            CALLS.filter(({ keyed }) => !keyed),
            ['committed'],
          ),
          blindly: true,
        }),
    },
    {
      without: 'the row locks',
      breaks: 'wrong',
      size: 20,
      run: (plan) =>
        runTerminations(plan, {
          cases: casesOf(
            CALLS.filter(({ name }) => name === 'withLock'),
            ['in the lock wait'],
          ),
          tamper: (adapter) => tampered(adapter, { rewrite: withoutLocks }),
        }),
    },
  ],
}

function casesOf(calls: readonly (Call | JobCall)[], places: readonly Place[]): Case[] {
  return places.flatMap((place) => calls.map((call) => ({ call, place })))
}

/** One caller with a wallet and a queue of its own. */
interface Slot {
  /** The wallet's user, and what tells the slot's sessions from others. */
  readonly number: number
  readonly name: string
  readonly prisma: Client
  readonly placement: Placement
}

/** A call that is under way. */
interface UnderWay {
  /** Its backend, once that is at its place. */
  readonly victim: number
  /** Resolves when everyone has been told. */
  finish(): Promise<void>
}

async function runTerminations(plan: Plan, taken: Taken): Promise<Outcome> {
  const slots = Math.min(SLOTS, plan.size)
  await using site = await openSite({ users: slots, settings: STAGE_SETTINGS })
  await installStages(site.sql)
  const run = new Run(site, taken, plan)
  const all = await Promise.all(Array.from({ length: slots }, (_, index) => run.openSlot(index + 1)))
  let faults = 0
  for (let begun = 0; begun < plan.size && !plan.signal.aborted; begun += slots) {
    const round = all.slice(0, plan.size - begun)
    faults += await run.round(round.map((slot, index) => [slot, taken.cases[(begun + index) % taken.cases.length]!]))
    plan.progress(`${faults} of ${plan.size}`)
  }
  const operations = await run.conclude()
  return { faults, operations, ...site.findings.result }
}

class Run {
  readonly #site: Site
  readonly #taken: Taken
  readonly #random: () => number
  readonly #beside: Client
  readonly #jobs: Jobs
  readonly #ids = idsOf(1)
  /** Of movements that nobody knows the outcome of: where they were stopped. */
  readonly #unknown = new Map<number, Place>()

  constructor(site: Site, taken: Taken, { random }: Plan) {
    this.#site = site
    this.#taken = taken
    this.#random = random
    this.#beside = site.client('beside', { max: 3 * SLOTS, ...this.#tampering }).prisma
    this.#jobs = openJobs(site)
  }

  get #tampering(): ClientOptions {
    return this.#taken.tamper ? { tamper: this.#taken.tamper } : {}
  }

  async openSlot(number: number): Promise<Slot> {
    const { Client, placement } = placedClients()
    const name = `slot ${number}`
    const { prisma } = this.#site.client(name, { Client, ...this.#tampering })
    // So that there is a connection whose backend can be terminated before a first statement.
    await prisma.$queryRaw`SELECT 1`
    return { number, name, placement, prisma }
  }

  /** Brings each call to its place, terminates all of their backends, and lets them go on. Returns how many there were. */
  async round(cases: readonly (readonly [Slot, Case])[]): Promise<number> {
    const { sql } = this.#site
    const gone = withResolvers<undefined>()
    for (const [{ number }, { place }] of cases) if (isStage(place)) await stopAt(sql, number, place)
    const underWay = await Promise.all(cases.map(([slot, one]) => this.#start(slot, one, gone.promise)))
    await stopNoMore(sql)
    await terminate(
      sql,
      underWay.map(({ victim }) => victim),
    )
    gone.resolve(undefined)
    await letGo(sql)
    await Promise.all(underWay.map(({ finish }) => finish()))
    return underWay.length
  }

  async conclude(): Promise<number> {
    const operations = (await this.#site.conclude()) + (await verifyJobs(this.#site, this.#jobs))
    await this.#verifyPlaces()
    return operations
  }

  async #start(slot: Slot, one: Case, gone: Promise<unknown>): Promise<UnderWay> {
    const { call, place } = one
    return 'report' in call ? this.#startJob(slot, call, place, gone) : this.#startMovement(slot, call, place, gone)
  }

  async #startMovement(slot: Slot, call: Call, place: Place, gone: Promise<unknown>): Promise<UnderWay> {
    const holder = place === 'in the lock wait' ? await moveBeside(this.#site, this.#beside, this.#movementBeside(slot)) : undefined
    const reached = this.#reached(slot, place, holder?.pid, gone)
    const movement = movementFor(call, this.#ids.next().value, slot.number, this.#random)
    const { blindly } = this.#taken
    const run = () => (blindly ? runBlindly(call, slot.prisma, movement) : call.run(slot.prisma, movement))
    const told = settle(this.#site, place, call, movement, blindly ? 'either' : expected(call, place), run)
    const victim = await reached
    const bystander = holder && (await this.#startBystander(slot, [holder.pid, victim]))
    return {
      victim,
      finish: async () => {
        await holder?.commit()
        await bystander?.told
        if ((await told) === 'unknown' && !call.keyed) this.#unknown.set(movement.id, place)
      },
    }
  }

  async #startJob(slot: Slot, call: JobCall, place: Place, gone: Promise<unknown>): Promise<UnderWay> {
    const job = await this.#jobs.prepare(call, String(slot.number))
    const lock = { where: { id: job.id }, lock: 'forUpdate' } as const
    const holder = place === 'in the lock wait' ? await held(this.#beside, (tx) => tx.job.findUnique(lock)) : undefined
    const reached = this.#reached(slot, place, holder?.pid, gone)
    const told = settleJob(this.#site, place, call, job, expected(call, place), () => call.run(slot.prisma, job))
    const victim = await reached
    return {
      victim,
      finish: async () => {
        await holder?.rollback()
        await told
      },
    }
  }

  /** Nothing happens to this one: it waits behind the other two, and has to see what they have left. */
  async #startBystander(slot: Slot, ahead: readonly number[]) {
    const movement = this.#movementBeside(slot)
    const told = this.#site.journal.record(movement, () => moveUnderLock(this.#beside, movement))
    await waitUntilBlockedBy(this.#site.sql, 'beside', ahead)
    return { told }
  }

  #movementBeside({ number }: Slot): Movement {
    return movementFor({ keyed: false }, this.#ids.next().value, number, this.#random)
  }

  /** Resolves with the backend of the slot's call once that is at its place, which PostgreSQL or the driver says. */
  #reached(slot: Slot, place: Place, holder: number | undefined, gone: Promise<unknown>): Promise<number> {
    const { sql } = this.#site
    if (holder !== undefined) return waitUntilBlockedBy(sql, slot.name, [holder])
    if (isStage(place)) {
      return waitUntil(`${slot.name} is ${place}`, async () => {
        const stopped = await findStopped(sql)
        return stopped.find(({ slot: number, stage }) => number === slot.number && stage === place)?.pid
      })
    }
    return new Promise((resolve) => {
      slot.placement.arm(place === 'before COMMIT' ? 'COMMIT' : 'a statement', (pid) => {
        resolve(pid)
        return gone
      })
    })
  }

  /** Whether each call that nobody knows the outcome of was stopped where it seemed to be. */
  async #verifyPlaces(): Promise<void> {
    const { sql, findings } = this.#site
    const rows = await sql<{ id: string }[]>`SELECT DISTINCT (abs("amount") * 100)::bigint::text AS id FROM "WalletEntry"`
    const entries = new Set(rows.map(({ id }) => Number(id)))
    for (const [id, place] of this.#unknown) {
      if (entries.has(id) !== (place === 'committed'))
        findings.add('wrong', `movement ${id}, terminated ${place}, is ${entries.has(id) ? '' : 'not '}there`)
    }
  }
}

const isStage = (place: Place): place is Stage => (STAGES as readonly string[]).includes(place)

/** What the caller is to be told: of what was begun in a transaction nothing is left, and it is run again. */
function expected(call: Call | JobCall, place: Place): Expected {
  if (call.resolves) return 'ok'
  if (place === 'in COMMIT' || place === 'committed') return 'unknown'
  // The driver may have noticed by then that the connection is dead, and has sent nothing.
  if (place === 'before COMMIT') return 'either'
  if (call.form === 'transaction') return 'ok'
  return place === 'before the lock wait' ? 'either' : 'unknown'
}

/** Resolves when PostgreSQL has none of the backends any more. */
async function terminate(sql: postgres.Sql, pids: readonly number[]): Promise<void> {
  await sql`SELECT pg_terminate_backend(pid) FROM unnest(${pids as number[]}::int[]) AS pid`
  await waitUntil('the backends are gone', async () => {
    const alive = await sql`SELECT FROM pg_sleep(0.002), pg_stat_activity WHERE pid = ANY (${pids as number[]}::int[])`
    return alive.length === 0 || undefined
  })
}
