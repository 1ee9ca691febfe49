import type { TestClient } from '../../test/support/client.js'

/** What stands between two statements that belong together, and what runs them. */
export type Reader = Pick<TestClient, 'wallet' | 'walletEntry'>

/** The work under the lock, right only when nobody else does it at the same time: read, check, write. */
export async function withdrawUnguarded(db: Reader, userId: number): Promise<void> {
  const wallet = await db.wallet.findUniqueOrThrow({ where: { userId } })
  if (wallet.balance.lessThan(1)) throw new Error('insufficient balance')
  const balance = wallet.balance.minus(1)
  await db.wallet.update({ where: { userId }, data: { balance } })
  await db.walletEntry.create({ data: { walletId: wallet.id, kind: 'WITHDRAWAL', amount: -1, balance } })
}
