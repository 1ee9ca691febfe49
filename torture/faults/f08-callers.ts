import { isRowLockError } from 'rowlock'
import { advisoryLocker, leaseLocker, once, rowLocker } from 'rowlock/lockers'
import { credit, signIn, withdraw } from 'rowlock/repositories'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Arena, type ArenaPrisma, openArena } from '../arena.js'
import type { Fault, Outcome, Plan } from '../fault.js'
import { Findings, findLedgerViolations } from '../findings.js'

interface Scene {
  readonly prisma: ArenaPrisma
  readonly findings: Findings
  readonly random: () => number
}

/** Runs `work` when the user's turn has come; callers of one user are to be served in the order in which they came. */
type Queue = (prisma: ArenaPrisma, user: number, work: (tx: Tx) => Promise<void>) => Promise<unknown>
type Tx = Parameters<typeof credit>[0]

const POOL = 10
const CALLERS = 12 * POOL
const USERS = 4
const BOUND = 60_000
const PATIENT = { maxWait: BOUND, timeout: BOUND, retry: false } as const
const HOLD = { maxWait: BOUND, maxHold: BOUND }
// A call that is refused is not sent, and asks nobody for a connection.
const AT_ONCE = 2_000

const QUEUES: readonly Queue[] = [
  (prisma, user, work) => prisma.$transactionWithRetry((tx) => work(tx), { ...PATIENT, gate: { key: ['user', user], width: 1 } }),
  (prisma, user, work) => rowLockerOf(prisma).withLock(String(user), ({ tx }) => work(tx)),
  (prisma, user, work) => advisoryLockerOf(prisma).withLock(String(user), ({ tx }) => work(tx)),
  (prisma, user, work) => leaseLockerOf(prisma).withLock(String(user), () => work(prisma)),
]

const withoutGate: Queue = (prisma, _user, work) => prisma.$transactionWithRetry((tx) => work(tx), PATIENT)

// The queue is the locker's own: all callers must have the same one.
const rowLockerOf = oncePerClient((prisma) => rowLocker(prisma, 'User', HOLD))
const advisoryLockerOf = oncePerClient((prisma) => advisoryLocker(prisma, HOLD))
const leaseLockerOf = oncePerClient((prisma) => leaseLocker(prisma, { ttl: 10_000 }))

function oncePerClient<T>(create: (prisma: ArenaPrisma) => T): (prisma: ArenaPrisma) => T {
  const known = new WeakMap<object, T>()
  return (prisma) => {
    const made = known.get(prisma) ?? create(prisma)
    known.set(prisma, made)
    return made
  }
}

/** All at once: more than ten times as many as there are connections, of a few users. */
async function crowd({ prisma, findings, random }: Scene, queue: Queue, callers: number): Promise<void> {
  const served = new Map<number, number[]>()
  const call = async (index: number) => {
    const user = (index % USERS) + 1
    const detours = Math.floor(random() * 4)
    await queue(prisma, user, async (tx) => {
      const turn = served.get(user) ?? []
      served.set(user, turn)
      for (let detour = 0; detour < detours; detour++) await prismaTurn(tx)
      await credit(tx, { userId: user, amount: 1 }, { coupons: [] })
      turn.push(index)
    })
  }
  await Promise.all(Array.from({ length: callers }, (_, index) => bounded(call(index), BOUND, findings)))
  for (const [user, turns] of served) {
    const jumped = turns.filter((index, at) => at > 0 && index < turns[at - 1]!).length
    findings.expect(jumped === 0, 'wrong', `${jumped} of ${turns.length} callers of user ${user} were served before who came first`)
  }
  const count = [...served.values()].flat().length
  findings.expect(count === callers, 'lost', `${count} of ${callers} callers were served`)
}

const prismaTurn = (tx: unknown) => (tx as { $queryRaw(query: TemplateStringsArray): Promise<unknown> }).$queryRaw`SELECT 1`

/** Without any order: each is served or gets a typed error; returns how many found no connection. */
async function disorderlyCrowd({ prisma, findings }: Scene, callers: number): Promise<number> {
  let refused = 0
  const call = async (index: number) => {
    try {
      await prisma.$transactionWithRetry((tx) => credit(tx, { userId: (index % USERS) + 1, amount: 1 }, { coupons: [] }), { maxWait: 100 })
    } catch (error) {
      if (!isRowLockError(error) || error.code !== 'POOL_TIMEOUT') throw error
      refused++
    }
  }
  await Promise.all(Array.from({ length: callers }, (_, index) => bounded(call(index), BOUND, findings)))
  return refused
}

async function bounded(work: Promise<unknown>, bound: number, findings: Findings): Promise<void> {
  const ended = new AbortController()
  const late = sleep(bound, 'late', { signal: ended.signal })
  try {
    if ((await Promise.race([work, late])) === 'late') findings.add('stuck', `a call did not end within ${bound} ms`)
  } catch (error) {
    findings.expect(isRowLockError(error), 'untyped', String(error))
    findings.add('stuck', `a call was not served: ${String(error)}`)
  } finally {
    ended.abort()
    late.catch(() => undefined)
  }
}

type Enter = (prisma: ArenaPrisma, user: number, inside: () => Promise<void>) => Promise<unknown>
type Nested = (prisma: ArenaPrisma, user: number) => Promise<unknown>

/** The ways to be in a transaction, which keeps a connection. Locks of lockers may be nested, as docs/advisory.md says. */
const ENTRANCES: Readonly<Record<string, Enter>> = {
  $transaction: (prisma, _user, inside) => prisma.$transaction(() => inside(), { maxWait: BOUND, timeout: BOUND }),
  $transactionWithRetry: (prisma, _user, inside) => prisma.$transactionWithRetry(() => inside(), PATIENT),
  withLock: (prisma, user, inside) => prisma.wallet.withLock({ where: { userId: user } }, () => inside(), PATIENT),
}

const SOON = { maxWait: 300, retry: false } as const

/** The calls that would ask for a second connection while the caller keeps one. */
const NESTED: Readonly<Record<string, Nested>> = {
  $transactionWithRetry: (prisma) => prisma.$transactionWithRetry((tx) => tx.user.count(), SOON),
  withLock: (prisma, user) => prisma.wallet.withLock({ where: { userId: user } }, async () => undefined, SOON),
  credit: (prisma, user) => credit(prisma, { userId: user, amount: 1 }),
  withdraw: (prisma, user) => withdraw(prisma, { userId: user, amount: 1 }),
  signIn: (prisma, user) => signIn(prisma, { userId: user }),
  once: (prisma) => once(prisma, 'nested', {}, async () => 1),
  rowLocker: (prisma, user) => rowLocker(prisma, 'Wallet', { maxWait: 300 }).withLock(String(user), async () => undefined),
  advisoryLocker: (prisma) => advisoryLocker(prisma, { maxWait: 300 }).withLock('nested', async () => undefined),
}

/** As many as there are connections, each in a transaction: who asks for another one is refused at once. */
async function nest(scene: Scene, asked: ArenaPrisma, enter: Enter, nested: Nested): Promise<void> {
  const { prisma, findings } = scene
  const allIn = barrier(POOL)
  const call = async (user: number) => {
    await enter(prisma, user, async () => {
      await allIn()
      const since = performance.now()
      const error: unknown = await nested(asked, user).then(
        () => 'no error',
        (thrown: unknown) => thrown,
      )
      const refused = isRowLockError(error) && error.code === 'LOCK_NOT_SUPPORTED'
      findings.expect(refused, 'untyped', `a nested call was answered by ${String(error)}`)
      findings.expect(performance.now() - since < AT_ONCE, 'stuck', `a nested call was answered after ${performance.now() - since} ms`)
    })
  }
  await Promise.all(Array.from({ length: POOL }, (_, index) => bounded(call(index + 1), BOUND, findings)))
}

/** Holds a connection while it runs `inside`, for at most `limit` milliseconds. */
type Hold = (prisma: ArenaPrisma, user: number, limit: number, inside: () => Promise<unknown>) => Promise<unknown>

/** The ways to hold a connection, and how each says that it was held for too long. */
const HOLDS: Readonly<Record<string, Hold>> = {
  TRANSACTION_EXPIRED: (prisma, _user, limit, inside) => prisma.$transactionWithRetry(inside, { ...PATIENT, timeout: limit }),
  LOCK_LOST: (prisma, user, limit, inside) => rowLocker(prisma, 'User', { ...HOLD, maxHold: limit }).withLock(String(user), inside),
}

/**
 * A query outside of the transaction cannot be told from one of somebody else. Where every connection is taken by
 * one who waits for another, the limits of the holds end that.
 */
async function readOutside({ prisma, findings }: Scene, code: string, hold: Hold): Promise<void> {
  const limit = 500
  const allIn = barrier(POOL)
  const reads: Promise<unknown>[] = []
  let expired = 0
  const call = async (user: number) => {
    const inside = async () => {
      await allIn()
      const read = prisma.wallet.findMany({ take: 1 }).then((rows) => rows.length)
      reads.push(read)
      await read
    }
    // The first ones to expire let the others read.
    await hold(prisma, user, limit, inside).catch((error: unknown) => {
      expired++
      findings.expect(isRowLockError(error) && error.code === code, 'untyped', `it ended with ${String(error)} and not ${code}`)
    })
  }
  await Promise.all(Array.from({ length: POOL }, (_, index) => bounded(call(index + 1), limit + 5_000, findings)))
  await bounded(Promise.all(reads), 5_000, findings)
  findings.expect(expired > 0, 'wrong', 'nobody had to wait for a connection')
}

/** Lets each of a number of callers go on when all have come. */
function barrier(parties: number): () => Promise<void> {
  let open!: () => void
  const opened = new Promise<void>((resolve) => (open = resolve))
  return () => {
    if (--parties === 0) open()
    return opened
  }
}

async function createUsers({ sql }: Arena): Promise<void> {
  await sql`INSERT INTO "User" (name) SELECT 'caller' FROM generate_series(1, ${POOL})`
  await sql`INSERT INTO "Wallet" ("userId") SELECT id FROM "User"`
}

async function inScene(
  plan: Plan,
  act: (scene: Scene, arena: Arena) => Promise<{ calls: number; notes?: readonly string[] }>,
): Promise<Outcome> {
  await using arena = await openArena()
  await createUsers(arena)
  const { prisma, pool } = arena.client(POOL)
  const findings = new Findings()
  const { calls, notes = [] } = await act({ prisma, findings, random: plan.random }, arena)
  await findLedgerViolations(prisma, findings)
  await arena.findLeft(findings)
  findings.expect(
    pool.idleCount === pool.totalCount && pool.totalCount <= POOL,
    'left',
    `${pool.idleCount} of ${pool.totalCount} connections are idle`,
  )
  return { ...findings.tally, faults: calls, operations: calls, notes: [...notes, ...findings.samples] }
}

const run = (plan: Plan) =>
  inScene(plan, async (scene) => {
    let calls = 0
    for (const [entrance, enter] of Object.entries(ENTRANCES)) {
      for (const nested of Object.values(NESTED)) {
        await nest(scene, scene.prisma, enter, nested)
        calls += POOL
      }
      plan.progress(`nested calls in ${entrance} were refused`)
    }
    for (const [code, hold] of Object.entries(HOLDS)) {
      await readOutside(scene, code, hold)
      calls += POOL
    }
    const refused = await disorderlyCrowd(scene, CALLERS)
    calls += CALLERS
    for (let round = 0; calls < plan.size && !plan.signal.aborted; round++) {
      await crowd(scene, QUEUES[round % QUEUES.length]!, CALLERS)
      calls += CALLERS
      plan.progress(`${calls} callers`)
    }
    return { calls, notes: [`of ${CALLERS} callers without a queue ${refused} found no connection in time`] }
  })

const runWithoutGate = (plan: Plan) =>
  inScene(plan, async (scene) => {
    for (let called = 0; called < plan.size; called += CALLERS) await crowd(scene, withoutGate, CALLERS)
    return { calls: plan.size }
  })

/** Another client on the same pool: nobody can know that a transaction in it is a nested one. */
const runWithoutRefusal = (plan: Plan) =>
  inScene(plan, async (scene, arena) => {
    const pool = arena.pool(POOL)
    const [prisma, twin] = [arena.clientOn(pool), arena.clientOn(pool)]
    await nest({ ...scene, prisma }, twin, ENTRANCES['$transactionWithRetry']!, NESTED['$transactionWithRetry']!)
    return { calls: POOL }
  })

export const callers: Fault = {
  id: 'F8',
  title: '10x more callers than connections, and nested use of the client inside a lock',
  how: `${CALLERS} callers of ${USERS} rows on ${POOL} connections; nested calls while every connection is taken`,
  sizes: { full: 20_000, ci: 2_000, unit: 'callers' },
  run,
  controls: [
    { without: 'the gate', breaks: 'wrong', size: CALLERS, run: runWithoutGate },
    { without: 'the refusal of nested calls', breaks: 'untyped', size: POOL, run: runWithoutRefusal },
  ],
}
