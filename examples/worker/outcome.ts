import { checkLedger } from 'rowlock/testing'
import type { Prisma } from '../client.js'

const OPEN = { completedAt: null, failedAt: null }
const COMPLETED = { completedAt: { not: null } }

export const countOpen = (prisma: Prisma) => prisma.job.count({ where: OPEN })

/** What has become of the jobs, and of the money: fails when a wallet is not the sum of its entries. */
export async function describeOutcome(prisma: Prisma): Promise<string> {
  const count = (where: object) => prisma.job.count({ where })
  const [completed, again] = [await count(COMPLETED), await count({ ...COMPLETED, attempt: { gt: 1 } })]
  const [failed, open] = [await count({ failedAt: { not: null } }), await countOpen(prisma)]
  const { entries, balance } = await checkLedger(prisma)
  return `${completed} jobs are completed, ${again} of them by a second attempt; ${failed} failed for good, ${open} are open.
There are ${entries} credits, of ${balance} in all.`
}
