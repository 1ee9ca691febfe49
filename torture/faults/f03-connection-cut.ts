import { tampered, withoutLocks } from '../../test/support/repositories/tampered-client.js'
import { waitUntil } from '../../test/support/wait-until.js'
import { type Beside, moveBeside, waitUntilBlockedBy } from '../connections/beside.js'
import { type Call, CALLS, movementFor } from '../connections/calls.js'
import { JOB_CALLS, type JobCall, openJobs, verifyJobs } from '../connections/job-calls.js'
import { type CommitFate, type MessageProxy, startMessageProxy } from '../connections/message-proxy.js'
import { type Expected, runBlindly, settle, settleJob } from '../connections/settle.js'
import { type Client, type ClientOptions, openSite, type Site } from '../connections/site.js'
import type { Fault, Outcome, Plan } from '../fault.js'
import { idsOf } from '../movement.js'

const FATES: readonly CommitFate[] = [
  'cut before',
  'cut in the middle',
  'cut before the answer',
  'silent before',
  'silent before the answer',
  'slow',
]

/** What can be seen of a fate in the database: whether the server has committed. */
const COMMITTED: ReadonlySet<CommitFate> = new Set(['cut before the answer', 'silent before the answer', 'slow'])

// In milliseconds. A silent connection is noticed by nothing else.
const QUERY_TIMEOUT = 2_500
const IDLE_TIMEOUT = 1_000

// For who holds a wallet until somebody waits for it.
const NEVER_IDLE = '-c idle_in_transaction_session_timeout=0'

const SLOTS = 24

interface Case {
  readonly call: Call | JobCall
  readonly fate: CommitFate
}

/** What is taken out, for a control. */
interface Taken {
  readonly cases: readonly Case[]
  readonly tamper?: ClientOptions['tamper']
  readonly blindly?: boolean
}

const allCases: readonly Case[] = FATES.flatMap((fate) => [...CALLS, ...JOB_CALLS].map((call) => ({ call, fate })))
const casesOf = (calls: readonly (Call | JobCall)[], fate: CommitFate) => calls.map((call) => ({ call, fate }))

export const connectionCut: Fault = {
  id: 'F3',
  title: 'Connection cut, gone silent or slow around COMMIT',
  how: 'a TCP proxy that reads the messages of the protocol',
  sizes: { full: 5_000, ci: 500, unit: 'connections' },
  run: (plan) => runCuts(plan, { cases: allCases }),
  controls: [
    {
      without: 'the refusal to repeat an ambiguous commit: retried without a key',
      breaks: 'doubled',
      size: 24,
      run: (plan) =>
        runCuts(plan, {
          cases: casesOf(
            CALLS.filter(({ keyed }) => !keyed),
            'cut before the answer',
          ),
          blindly: true,
        }),
    },
    {
      without: 'the row locks',
      breaks: 'wrong',
      size: 24,
      run: (plan) =>
        runCuts(plan, {
          cases: casesOf(
            CALLS.filter(({ name }) => name === 'withLock'),
            'slow',
          ),
          tamper: (adapter) => tampered(adapter, { rewrite: withoutLocks }),
        }),
    },
  ],
}

/** One caller with a wallet, a queue and a way to the server of its own. */
interface Slot {
  /** The wallet's user, and what tells the slot's sessions from others. */
  readonly number: number
  readonly name: string
  readonly proxy: MessageProxy
  readonly prisma: Client
}

/** All of them go in the end, however that comes. */
class Proxies implements AsyncDisposable {
  readonly #all: MessageProxy[] = []

  async start(url: string): Promise<MessageProxy> {
    const proxy = await startMessageProxy(url)
    this.#all.push(proxy)
    return proxy
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.splice(0).map((proxy) => proxy[Symbol.asyncDispose]()))
  }
}

async function runCuts(plan: Plan, taken: Taken): Promise<Outcome> {
  const slots = Math.min(SLOTS, plan.size)
  await using site = await openSite({
    users: slots,
    settings: { idle_in_transaction_session_timeout: `${IDLE_TIMEOUT}ms` },
  })
  await using proxies = new Proxies()
  const beside = site.client('beside', { max: slots, options: NEVER_IDLE, ...tamperingOf(taken) }).prisma
  const jobs = openJobs(site)
  const ids = idsOf(1)
  const seen = new Map<number, { readonly there: boolean; readonly fate: CommitFate }>()
  let begun = 0
  let faults = 0

  const work = async (slot: Slot) => {
    while (begun < plan.size && !plan.signal.aborted) {
      const one = taken.cases[begun++ % taken.cases.length]!
      if (await inflict(slot, one)) faults++
      if (faults % 100 === 0) plan.progress(`${faults} of ${plan.size}`)
    }
  }

  const inflict = async (slot: Slot, { call, fate }: Case): Promise<boolean> => {
    const what = `${fate}${fate === 'slow' ? '' : ' COMMIT'}`
    if ('report' in call) {
      const job = await jobs.prepare(call, slot.name)
      slot.proxy.arm(fate)
      await settleJob(site, what, call, job, expected(call, fate), () => call.run(slot.prisma, job))
    } else {
      const movement = movementFor(call, ids.next().value, slot.number, plan.random)
      const neighbour = call.name === 'withLock' ? await moveBeside(site, beside, nextBeside(slot)) : undefined
      slot.proxy.arm(fate)
      const run = () => (taken.blindly ? runBlindly(call, slot.prisma, movement) : call.run(slot.prisma, movement))
      const settled = settle(site, what, call, movement, taken.blindly ? 'either' : expected(call, fate), run)
      if (neighbour) await commitOnceWaitedFor(site, slot, neighbour)
      const said = await settled
      if (said === 'unknown' && !call.keyed && slot.proxy.met) seen.set(movement.id, { there: COMMITTED.has(fate), fate })
    }
    if (fate === 'silent before') await untilServerHasNoticed(site, slot)
    return slot.proxy.met !== undefined
  }
  const nextBeside = ({ number }: Slot) => movementFor({ keyed: false }, ids.next().value, number, plan.random)

  const open = async (number: number): Promise<Slot> => {
    const proxy = await proxies.start(site.url)
    const name = `slot ${number}`
    const options = { connectionString: proxy.url, query_timeout: QUERY_TIMEOUT, ...tamperingOf(taken) }
    const { prisma } = site.client(name, options)
    // What a client does once must not count against its time limit.
    await prisma.$queryRaw`SELECT 1`
    return { number, name, proxy, prisma }
  }
  await Promise.all((await Promise.all(Array.from({ length: slots }, (_, index) => open(index + 1)))).map(work))
  // Sessions whose client has gone in silence are the server's until then.
  await proxies[Symbol.asyncDispose]()
  const operations = await site.conclude()
  await verifyPlacement(site, seen)
  const jobOperations = await verifyJobs(site, jobs)
  return { faults, operations: operations + jobOperations, ...site.findings.result }
}

const tamperingOf = ({ tamper }: Taken) => (tamper ? { tamper } : {})

function expected(call: Call | JobCall, fate: CommitFate): Expected {
  return fate === 'slow' || call.resolves ? 'ok' : 'unknown'
}

async function commitOnceWaitedFor({ sql }: Site, { name }: Slot, neighbour: Beside): Promise<void> {
  await waitUntilBlockedBy(sql, name, [neighbour.pid])
  await neighbour.commit()
}

/** It ends the transaction whose COMMIT has not come, and with it the locks that the next caller would wait for. */
async function untilServerHasNoticed({ sql }: Site, { name }: Slot): Promise<void> {
  await waitUntil(`the server has ended the transactions of ${name}`, async () => {
    const open = await sql`SELECT FROM pg_sleep(0.005), pg_stat_activity WHERE application_name = ${name} AND xact_start IS NOT NULL`
    return open.length === 0 || undefined
  })
}

/** Whether what each fate has done to the server is what it is said to do. */
async function verifyPlacement({ sql, findings }: Site, seen: ReadonlyMap<number, { there: boolean; fate: CommitFate }>): Promise<void> {
  const rows = await sql<{ id: string }[]>`SELECT DISTINCT (abs("amount") * 100)::bigint::text AS id FROM "WalletEntry"`
  const entries = new Set(rows.map(({ id }) => Number(id)))
  for (const [id, { there, fate }] of seen) {
    if (entries.has(id) !== there) findings.add('wrong', `movement ${id}, ${fate}, ${there ? 'is not' : 'is'} there`)
  }
}
