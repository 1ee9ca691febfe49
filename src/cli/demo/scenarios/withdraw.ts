import type { WithdrawRows } from '../requests.js'
import type { Scenario } from '../scenario.js'
import { createWallet, readWallet } from './seed.js'

const AMOUNT = 10
const ENOUGH_FOR = 300
const BALANCE = AMOUNT * ENOUGH_FOR

export const withdrawScenario: Scenario = {
  name: 'withdraw',
  title: 'Withdraw',
  raced: `500 withdrawals of ${AMOUNT.toFixed(2)}, 100 at a time, from one wallet that holds ${BALANCE.toFixed(2)}.`,
  rule: `Exactly ${ENOUGH_FOR} succeed, and the balance is what the ledger adds up to: 0.00.`,
  processes: 2,
  requests: 500,
  concurrency: 100,
  poolSize: 10,
  expected: ENOUGH_FOR,
  refusals: ['Error', 'INSUFFICIENT_BALANCE'],
  versions: [
    { version: 'naive', exportName: 'withdraw' },
    { version: 'locked', exportName: 'withdraw' },
  ],
  async prepare(prisma) {
    const { userId, walletId } = await createWallet(prisma, BALANCE)
    const rows: WithdrawRows = { userId, amount: AMOUNT }
    return {
      rows,
      async examine({ fulfilled }) {
        const { balance, ledger } = await readWallet(prisma, walletId)
        const paid = fulfilled * AMOUNT
        const findings: string[] = []
        if (paid > BALANCE) findings.push(`${paid.toFixed(2)} was paid out of a wallet that held ${BALANCE.toFixed(2)}.`)
        if (!balance.equals(ledger)) {
          findings.push(`The wallet still says ${balance.toFixed(2)}, the ledger adds up to ${ledger.toFixed(2)}.`)
        }
        if (!ledger.equals(BALANCE - paid)) findings.push('The ledger does not have one entry for each success.')
        return {
          lost: {
            amount: balance
              .minus(BALANCE - paid)
              .abs()
              .toNumber(),
            unit: 'money',
          },
          findings,
        }
      },
    }
  },
}
