import { isRowLockError, lockInOrder, type TransactionClientOf, type TransactionOptions } from 'rowlock'
import { waitUntil } from '../../test/support/wait-until.js'
import { type Arena, type ArenaPrisma, openArena, PROBE } from '../arena.js'
import type { Fault, Outcome, Plan } from '../fault.js'
import { Findings, findLedgerViolations, mergeOutcomes } from '../findings.js'

type Tx = TransactionClientOf<ArenaPrisma>

/** Moves `amount`, which no other transfer moves: it is the transfer's name in the ledger. */
interface Transfer {
  readonly from: number
  readonly to: number
  readonly amount: number
}

/** How a transfer takes its locks. */
interface Way {
  readonly options: TransactionOptions
  readonly lock: (tx: Tx, transfer: Transfer) => Promise<Balances>
  readonly deadlocks: 'expected' | 'none' | 'any'
}

interface Balances {
  readonly from: number
  readonly to: number
}

interface Storm {
  readonly findings: Findings
  readonly acknowledged: Set<number>
  readonly failed: Set<number>
  deadlocksSeen: number
}

const WORKERS = 32
const ACCOUNTS = 16
const START = 1_000_000_000_000
// A storm in which PostgreSQL takes long to notice a deadlock is mostly waiting.
const SETTINGS = { deadlock_timeout: '5ms' }
// Whoever is unlucky is the victim more often than the five times that are the default.
const PATIENT: TransactionOptions = {
  maxWait: 60_000,
  timeout: 60_000,
  retry: { attempts: 1_000, deadline: 120_000, maxDelay: 100 },
}
const BOUND = 120_000

const toNumber = ({ balance }: { readonly balance: { toNumber(): number } }) => balance.toNumber()

const payerFirst = async (tx: Tx, { from, to }: Transfer): Promise<Balances> => ({
  from: toNumber(await tx.wallet.findUniqueOrThrow({ where: { id: from }, lock: 'forNoKeyUpdate' })),
  to: toNumber(await tx.wallet.findUniqueOrThrow({ where: { id: to }, lock: 'forNoKeyUpdate' })),
})

async function inOrder(tx: Tx, { from, to }: Transfer): Promise<Balances> {
  const [payer, payee] = await lockInOrder(tx, [
    { model: 'wallet', where: { id: from } },
    { model: 'wallet', where: { id: to } },
  ])
  return { from: toNumber(payer), to: toNumber(payee) }
}

const unlocked = async (tx: Tx, { from, to }: Transfer): Promise<Balances> => ({
  from: toNumber(await tx.wallet.findUniqueOrThrow({ where: { id: from } })),
  to: toNumber(await tx.wallet.findUniqueOrThrow({ where: { id: to } })),
})

/**
 * Writes what was read plus or minus the amount, which is right only if nobody else has changed it since, and
 * both entries: one statement, so that the run's time goes into locks.
 */
async function writeBack(tx: Tx, { from, to, amount }: Transfer, read: Balances): Promise<void> {
  await tx.$executeRaw`
    WITH change (id, kind, amount, balance) AS (
      VALUES (${from}::int, 'WITHDRAWAL', ${-amount}::numeric, ${read.from - amount}::numeric),
             (${to}::int, 'CREDIT', ${amount}::numeric, ${read.to + amount}::numeric)
    ), updated AS (
      UPDATE "Wallet" SET balance = change.balance FROM change WHERE "Wallet".id = change.id
    )
    INSERT INTO "WalletEntry" ("walletId", kind, amount, balance) SELECT id, kind::"WalletEntryKind", amount, balance FROM change`
}

const STORM: Way = { options: PATIENT, lock: payerFirst, deadlocks: 'expected' }
const WITHOUT_RETRY: Way = { ...STORM, options: { ...PATIENT, retry: false } }
const WITHOUT_LOCK: Way = { options: PATIENT, lock: unlocked, deadlocks: 'any' }
const ORDERED: Way = { options: { ...PATIENT, retry: false }, lock: inOrder, deadlocks: 'none' }

async function transfer(prisma: ArenaPrisma, move: Transfer, way: Way, storm: Storm): Promise<void> {
  const onRetry = ({ error }: { readonly error: { readonly code: string } }) => {
    if (error.code === 'DEADLOCK') storm.deadlocksSeen++
  }
  await prisma.$transactionWithRetry(async (tx) => writeBack(tx, move, await way.lock(tx, move)), { ...way.options, onRetry })
}

/** Half of the transfers between two accounts go one way and half the other. */
function planTransfers(count: number, random: () => number): Transfer[] {
  return Array.from({ length: count }, (_, index) => {
    const from = Math.floor(random() * ACCOUNTS)
    const to = (from + 1 + Math.floor(random() * (ACCOUNTS - 1))) % ACCOUNTS
    return { from: from + 1, to: to + 1, amount: index + 1 }
  })
}

async function createAccounts({ sql }: Arena): Promise<void> {
  await sql`INSERT INTO "User" (name) SELECT 'account ' || n FROM generate_series(1, ${ACCOUNTS}) AS n`
  await sql`INSERT INTO "Wallet" ("userId", balance) SELECT id, ${START} FROM "User" ORDER BY id`
  await sql`INSERT INTO "WalletEntry" ("walletId", kind, amount, balance) SELECT id, 'CREDIT', ${START}, ${START} FROM "Wallet"`
}

/** 32 workers take transfers from one list until it is empty, each again as soon as it has its answer. */
async function runStorm(prisma: ArenaPrisma, transfers: readonly Transfer[], way: Way, plan: Plan): Promise<Storm> {
  const storm: Storm = { findings: new Findings(), acknowledged: new Set(), failed: new Set(), deadlocksSeen: 0 }
  const queue = transfers[Symbol.iterator]()
  const worker = async () => {
    for (const move of queue) {
      if (plan.signal.aborted) return
      const since = performance.now()
      try {
        await transfer(prisma, move, way, storm)
        storm.acknowledged.add(move.amount)
      } catch (error) {
        storm.failed.add(move.amount)
        storm.findings.expect(isRowLockError(error), 'untyped', String(error))
        if (isRowLockError(error) && error.code === 'DEADLOCK') storm.deadlocksSeen++
        storm.findings.add('stuck', `transfer ${move.amount} was given up: ${String(error)}`)
      }
      storm.findings.expect(performance.now() - since < BOUND, 'stuck', `transfer ${move.amount} took longer than ${BOUND} ms`)
      if (move.amount % 1_000 === 0) plan.progress(`${move.amount} transfers, ${storm.deadlocksSeen} deadlocks`)
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, worker))
  return storm
}

/** Compares what the callers were told with the ledger. */
async function checkTransfers({ sql }: Arena, transfers: readonly Transfer[], { findings, acknowledged, failed }: Storm): Promise<void> {
  const rows = await sql<{ amount: number; walletId: number }[]>`
    SELECT amount::float8 AS amount, "walletId" FROM "WalletEntry" WHERE amount <> ${START}`
  const halves = new Map<string, number>()
  for (const { amount, walletId } of rows) {
    const half = `${amount} ${walletId}`
    halves.set(half, (halves.get(half) ?? 0) + 1)
  }
  for (const { from, to, amount } of transfers) {
    for (const half of [`${-amount} ${from}`, `${amount} ${to}`]) {
      const times = halves.get(half) ?? 0
      halves.delete(half)
      if (acknowledged.has(amount)) findings.expect(times > 0, 'lost', `transfer ${amount}`)
      if (failed.has(amount)) findings.expect(times === 0, 'falseNegatives', `transfer ${amount}`)
      findings.expect(times < 2, 'doubled', `transfer ${amount}, ${times} times`)
    }
  }
  for (const half of halves.keys()) findings.add('phantoms', half)
}

async function checkSums({ sql }: Arena, prisma: ArenaPrisma, findings: Findings): Promise<void> {
  const [total] = await sql<[{ sum: number }]>`SELECT sum(balance)::float8 AS sum FROM "Wallet"`
  findings.expect(total.sum === ACCOUNTS * START, 'wrong', `the accounts hold ${total.sum} and not ${ACCOUNTS * START}`)
  await findLedgerViolations(prisma, findings)
}

/** How many deadlocks PostgreSQL has broken. A session has told them all when it is gone. */
async function deadlocksBroken({ sql }: Arena): Promise<number> {
  await waitUntil('the sessions of the storm are gone', async () => {
    const [row] = await sql<[{ sessions: number }]>`
      SELECT count(*)::int AS sessions FROM pg_stat_activity, pg_sleep(0.005)
      WHERE datname = current_database() AND application_name <> ${PROBE}`
    return row.sessions === 0 || undefined
  })
  const [row] = await sql<[{ deadlocks: number }]>`
    SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()`
  return row.deadlocks
}

async function storm(way: Way, plan: Plan): Promise<Outcome> {
  await using arena = await openArena(SETTINGS)
  await createAccounts(arena)
  const { prisma, pool } = arena.client(WORKERS)
  const transfers = planTransfers(plan.size, plan.random)
  const since = performance.now()
  const run = await runStorm(prisma, transfers, way, plan)
  const seconds = (performance.now() - since) / 1_000
  const { findings, acknowledged, failed, deadlocksSeen } = run
  await checkTransfers(arena, transfers, run)
  await checkSums(arena, prisma, findings)
  await arena.findLeft(findings)
  await pool.end()
  const broken = await deadlocksBroken(arena)
  // Whoever was not told of a deadlock has lost work, or has been told another reason.
  findings.expect(broken === deadlocksSeen, 'untyped', `PostgreSQL broke ${broken} deadlocks, and callers were told of ${deadlocksSeen}`)
  if (way.deadlocks === 'none') findings.expect(broken === 0, 'wrong', `${broken} deadlocks`)
  if (way.deadlocks === 'expected' && broken === 0) throw new Error('No deadlock came about: nothing was shown.')
  return {
    ...findings.tally,
    faults: acknowledged.size + failed.size,
    operations: acknowledged.size + failed.size + deadlocksSeen,
    notes: [`${broken} deadlocks in ${Math.round(seconds)} s`, ...findings.samples],
  }
}

// Of all transfers; the others lock in order.
const OPPOSITE = 3 / 4

/** A storm, and then more of the same that lock in order, of which none may deadlock. */
async function stormAndOrder(plan: Plan): Promise<Outcome> {
  const opposite = Math.ceil(plan.size * OPPOSITE)
  const first = await storm(STORM, { ...plan, size: opposite })
  const second = await storm(ORDERED, { ...plan, size: plan.size - opposite })
  return mergeOutcomes(first, second)
}

export const deadlocks: Fault = {
  id: 'F7',
  title: 'deadlock storm: opposite-order transfers between a few accounts',
  how: `${WORKERS} workers that lock payer first, and then in order with lockInOrder`,
  sizes: { full: 200_000, ci: 10_000, unit: 'transactions' },
  run: stormAndOrder,
  controls: [
    { without: 'retry', breaks: 'stuck', size: 500, run: (plan) => storm(WITHOUT_RETRY, plan) },
    { without: 'the lock', breaks: 'wrong', size: 500, run: (plan) => storm(WITHOUT_LOCK, plan) },
  ],
}
