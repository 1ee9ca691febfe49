import type { TransferRows } from '../requests.js'
import type { Scenario } from '../scenario.js'
import { createWallet, readWallet } from './seed.js'

const TRANSFERS = 40
const BALANCE = 1_000

export const transferScenario: Scenario = {
  name: 'transfer',
  title: 'Transfer',
  raced: `${TRANSFERS} transfers of 1.00 between two wallets, half in each direction, 4 at a time; opposite ones deadlock.`,
  rule: 'All succeed: deadlocks are retried, or avoided by locking both wallets in one order.',
  processes: 2,
  requests: TRANSFERS,
  concurrency: 4,
  poolSize: 2,
  expected: TRANSFERS,
  refusals: [],
  versions: [
    { version: 'naive', exportName: 'transfer' },
    { version: 'retried', exportName: 'transferPayerFirst' },
    { version: 'locked', exportName: 'transfer' },
  ],
  async prepare(prisma) {
    const one = await createWallet(prisma, BALANCE)
    const other = await createWallet(prisma, BALANCE)
    const walletIds = [one.walletId, other.walletId]
    const rows: TransferRows = { userIds: [one.userId, other.userId], amount: 1 }
    return {
      rows,
      async examine() {
        const credits = await prisma.walletEntry.count({ where: { walletId: { in: walletIds }, kind: 'CREDIT' } })
        const wallets = await Promise.all(walletIds.map((id) => readWallet(prisma, id)))
        // Less the two entries that the wallets began with.
        const done = credits - walletIds.length
        const findings: string[] = []
        const total = wallets.map(({ balance }) => balance).reduce((sum, balance) => sum.plus(balance))
        if (!total.equals(2 * BALANCE))
          findings.push(`Together the wallets hold ${total.toFixed(2)} instead of ${(2 * BALANCE).toFixed(2)}.`)
        if (wallets.some(({ balance, ledger }) => !balance.equals(ledger))) findings.push('A balance is not the sum of its ledger.')
        return { lost: { amount: Math.abs(TRANSFERS - done), unit: 'transfers' }, findings }
      },
    }
  },
}
