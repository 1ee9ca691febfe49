import { lockInOrder } from '../../extension/lock-in-order.js'
import type { TransactionClientOf } from '../../transaction/transaction-client.js'
import type { LockedClient } from './locked-client.js'

export interface Transfer {
  readonly fromUserId: number
  readonly toUserId: number
  /** In whole units of money. */
  readonly amount: number
}

interface Wallet {
  readonly id: number
}

type Tx = TransactionClientOf<LockedClient>

// Transfers of a few milliseconds between the same two wallets: an unlucky one is the victim more often
// than the five times that are the default.
const PATIENT = { retry: { attempts: 50 } }

/**
 * Moves money from one wallet to another. `lockInOrder` locks both wallets in an order that does not
 * depend on the direction, so that transfers in opposite directions wait for each other and never deadlock.
 */
export async function transfer(prisma: LockedClient, { fromUserId, toUserId, amount }: Transfer): Promise<void> {
  await prisma.$transactionWithRetry(async (tx) => {
    const [from, to] = await lockInOrder(tx, [
      { model: 'wallet', where: { userId: fromUserId } },
      { model: 'wallet', where: { userId: toUserId } },
    ])
    if (from.balance.lt(amount)) throw new Error('The balance is too low.')
    await move(tx, from, to, amount)
  })
}

/**
 * The same with the payer locked first. Transfers in opposite directions deadlock; each victim is rolled
 * back and run again, so that none is lost. Right, and slower than not to deadlock at all.
 */
export async function transferPayerFirst(prisma: LockedClient, { fromUserId, toUserId, amount }: Transfer): Promise<void> {
  await prisma.$transactionWithRetry(async (tx) => {
    const from = await tx.wallet.findUniqueOrThrow({ where: { userId: fromUserId }, lock: 'forNoKeyUpdate' })
    const to = await tx.wallet.findUniqueOrThrow({ where: { userId: toUserId }, lock: 'forNoKeyUpdate' })
    if (from.balance.lt(amount)) throw new Error('The balance is too low.')
    await move(tx, from, to, amount)
  }, PATIENT)
}

async function move(tx: Tx, from: Wallet, to: Wallet, amount: number): Promise<void> {
  const { balance: fromBalance } = await tx.wallet.update({ where: { id: from.id }, data: { balance: { decrement: amount } } })
  const { balance: toBalance } = await tx.wallet.update({ where: { id: to.id }, data: { balance: { increment: amount } } })
  await tx.walletEntry.createMany({
    data: [
      { walletId: from.id, kind: 'WITHDRAWAL', amount: -amount, balance: fromBalance },
      { walletId: to.id, kind: 'CREDIT', amount, balance: toBalance },
    ],
  })
}
