import { randomUUID } from 'node:crypto'
import type { TransactionClientOf } from 'rowlock'
import { once } from 'rowlock/lockers'
import { amountOf, move, type Movement } from '../movement.js'
import type { Client } from './site.js'

/** A way to make a movement by rowlock. */
export interface Call {
  readonly name: string
  /** Whether the movement gets an idempotency key. */
  readonly keyed: boolean
  /** Whether the call itself calls again when the outcome is unknown, so that its caller never sees that. */
  readonly resolves: boolean
  /** One statement that commits by itself, or a transaction with a COMMIT of its own. */
  readonly form: 'statement' | 'transaction'
  run(prisma: Client, movement: Movement): Promise<unknown>
}

/** With a short limit, as a run that waits for nothing is over sooner. */
const LIMITS = { timeout: 10_000, maxWait: 10_000, lockTimeout: 5_000 }

export const CALLS: readonly Call[] = [
  { name: 'a repository', keyed: false, resolves: false, form: 'statement', run: move },
  { name: 'a repository with a key', keyed: true, resolves: true, form: 'statement', run: move },
  {
    name: 'a repository in a transaction',
    keyed: false,
    resolves: false,
    form: 'transaction',
    run: (prisma, movement) => prisma.$transactionWithRetry((tx) => move(tx, movement), LIMITS),
  },
  {
    name: 'a repository with a key in a transaction',
    keyed: true,
    resolves: false,
    form: 'transaction',
    run: (prisma, movement) => prisma.$transactionWithRetry((tx) => move(tx, movement), LIMITS),
  },
  {
    name: 'once',
    keyed: true,
    resolves: true,
    form: 'transaction',
    run: (prisma, { key, ...movement }) =>
      once(prisma, key!, movement, (tx) => move(tx, movement), { ...LIMITS, operation: movement.kind }),
  },
  { name: 'withLock', keyed: false, resolves: false, form: 'transaction', run: (prisma, movement) => moveUnderLock(prisma, movement) },
]

/**
 * A movement as an application without the repositories makes it: what it writes depends on what it has read, and
 * is right only for as long as nobody else changes the row.
 *
 * @param beforeCommit Runs once everything is written.
 */
export async function moveUnderLock(
  prisma: Client,
  { id, kind, userId }: Movement,
  beforeCommit?: (tx: TransactionClientOf<Client>) => Promise<unknown>,
) {
  return prisma.wallet.withLock(
    { where: { userId } },
    async (wallet, tx) => {
      const amount = kind === 'credit' ? amountOf(id) : `-${amountOf(id)}`
      const balance = wallet.balance.plus(amount)
      await tx.wallet.update({ where: { id: wallet.id }, data: { balance } })
      const data = { walletId: wallet.id, kind: kind === 'credit' ? 'CREDIT' : 'WITHDRAWAL', amount, balance } as const
      const entry = await tx.walletEntry.create({ data })
      await beforeCommit?.(tx)
      return { balance, entry }
    },
    LIMITS,
  )
}

/** A movement for a call, of a kind by the run's seed. */
export function movementFor(call: Pick<Call, 'keyed'>, id: number, userId: number, random: () => number): Movement {
  const kind = random() < 0.5 ? 'credit' : 'withdraw'
  return { id, kind, userId, ...(call.keyed && { key: randomUUID() }) }
}
