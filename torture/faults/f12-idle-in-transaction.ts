import { once } from 'rowlock/lockers'
import type { TransactionClientOf } from 'rowlock'
import { waitUntil } from '../../test/support/wait-until.js'
import { movementFor } from '../connections/calls.js'
import { settle } from '../connections/settle.js'
import { type Client, openSite } from '../connections/site.js'
import type { Fault, Outcome, Plan } from '../fault.js'
import type { Acknowledgement } from '../journal.js'
import { idsOf, move, type Movement } from '../movement.js'

type Tx = TransactionClientOf<Client>

/** A way to hold a wallet and to do nothing with it for too long. */
interface Holding {
  readonly name: string
  /** Whether the holder is run again when the server has ended its session, and then does not dawdle. */
  readonly retried: boolean
  run(prisma: Client, movement: Movement, dawdle: (attempt: number) => Promise<void>): Promise<unknown>
}

// In milliseconds. Who waits for a holder that is there has to be told in the end, too.
const IDLE_TIMEOUT = 300
const PATIENCE = 2_500
const SLOTS = 10

const LIMITS = { timeout: 20_000, maxWait: 10_000 }

const lockWallet = (tx: Tx, { userId }: Movement) => tx.wallet.findUniqueOrThrow({ where: { userId }, lock: 'forUpdate' })

const HOLDINGS: readonly Holding[] = [
  {
    name: '$transactionWithRetry',
    retried: true,
    run: (prisma, movement, dawdle) =>
      prisma.$transactionWithRetry(async (tx, { attempt }) => {
        await lockWallet(tx, movement)
        await dawdle(attempt)
        return move(tx, movement)
      }, LIMITS),
  },
  {
    name: '$transactionWithRetry without retry',
    retried: false,
    run: (prisma, movement, dawdle) =>
      prisma.$transactionWithRetry(
        async (tx) => {
          await move(tx, movement)
          await dawdle(1)
          return lockWallet(tx, movement)
        },
        { ...LIMITS, retry: false },
      ),
  },
  {
    name: '$transactionWithRetry that goes on with COMMIT',
    retried: false,
    run: (prisma, movement, dawdle) =>
      prisma.$transactionWithRetry(
        async (tx) => {
          const moved = await move(tx, movement)
          await dawdle(1)
          return moved
        },
        { ...LIMITS, retry: false },
      ),
  },
  {
    name: '$transaction',
    retried: false,
    run: (prisma, movement, dawdle) =>
      prisma.$transaction(async (tx) => {
        await lockWallet(tx, movement)
        await dawdle(1)
        return move(tx, movement)
      }, LIMITS),
  },
  {
    name: 'withLock',
    retried: true,
    run: (prisma, movement, dawdle) => {
      let attempts = 0
      return prisma.wallet.withLock(
        { where: { userId: movement.userId } },
        async (_, tx) => {
          await dawdle(++attempts)
          return move(tx, movement)
        },
        LIMITS,
      )
    },
  },
  {
    name: 'once',
    retried: true,
    run: (prisma, { key, ...movement }, dawdle) => {
      let attempts = 0
      return once(
        prisma,
        key!,
        movement,
        async (tx) => {
          const moved = await move(tx, movement)
          await dawdle(++attempts)
          return moved
        },
        { ...LIMITS, operation: movement.kind },
      )
    },
  },
]

export const idleInTransaction: Fault = {
  id: 'F12',
  title: 'Holder of a row idle in its transaction',
  how: 'idle_in_transaction_session_timeout',
  sizes: { full: 500, ci: 50, unit: 'holders' },
  run: (plan) => runIdle(plan, `${IDLE_TIMEOUT}ms`),
  controls: [
    {
      without: 'idle_in_transaction_session_timeout',
      breaks: 'stuck',
      size: HOLDINGS.length,
      run: (plan) => runIdle(plan, '0'),
    },
  ],
}

async function runIdle(plan: Plan, idleTimeout: string): Promise<Outcome> {
  const slots = Math.min(SLOTS, plan.size)
  await using site = await openSite({ users: slots })
  const { sql, findings, journal } = site
  const ids = idsOf(1)
  let begun = 0
  let faults = 0

  const work = async (userId: number) => {
    const holder = site.client(`holder ${userId}`, { options: `-c idle_in_transaction_session_timeout=${idleTimeout}` }).prisma
    const waiter = site.client(`waiter ${userId}`).prisma
    while (begun < plan.size && !plan.signal.aborted) {
      await hold(HOLDINGS[begun++ % HOLDINGS.length]!, userId, holder, waiter)
      plan.progress(`${faults} of ${plan.size}`)
    }
  }

  const hold = async (holding: Holding, userId: number, holder: Client, waiter: Client) => {
    const movement = movementFor({ keyed: holding.name === 'once' }, ids.next().value, userId, plan.random)
    const waiting = movementFor({ keyed: false }, ids.next().value, userId, plan.random)
    let waited: Promise<Acknowledgement> | undefined

    // Idle for as long as it takes the one behind to get the row: with the limit, until the server has ended this session.
    const dawdle = async (attempt: number) => {
      if (attempt > 1 || waited) return
      const dawdling = await sessionOf(`holder ${userId}`)
      waited = journal.record(waiting, () => moveBehind(waiter, waiting))
      const told = await waited
      if (told.said !== 'ok') findings.add('stuck', `who waits for a holder in ${holding.name} did not get the row: ${told.error}`)
      if (dawdling !== undefined && (await hasGone(dawdling))) faults++
    }
    const call = { name: holding.name, keyed: movement.key !== undefined }
    const expected = holding.retried ? 'ok' : { error: 'ConnectionLostError' }
    await settle(site, 'idle in the transaction', call, movement, expected, () => holding.run(holder, movement, dawdle))
    await waited
  }

  const sessionOf = async (name: string) => {
    const [row] = await sql<{ pid: number }[]>`
      SELECT pid FROM pg_stat_activity WHERE application_name = ${name} AND xact_start IS NOT NULL`
    return row?.pid
  }
  // It gives up its locks a moment before it has gone.
  const hasGone = (pid: number) =>
    waitUntil(
      `session ${pid} has gone`,
      async () => (await sql`SELECT FROM pg_sleep(0.002), pg_stat_activity WHERE pid = ${pid}`).length === 0 || undefined,
      { timeout: 1_000 },
    ).catch(() => false)

  await Promise.all(Array.from({ length: slots }, (_, index) => work(index + 1)))
  const operations = await site.conclude()
  return { faults, operations, ...findings.result }
}

/** Waits for the holder's row for longer than the server lets it be idle, and not for ever. */
function moveBehind(prisma: Client, movement: Movement): Promise<unknown> {
  return prisma.$transactionWithRetry(
    async (tx) => {
      await lockWallet(tx, movement)
      return move(tx, movement)
    },
    { timeout: PATIENCE, maxWait: 10_000 },
  )
}
