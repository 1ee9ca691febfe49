import type { Scenario } from '../scenario.js'
import type { SignInRows } from '../requests.js'
import { createUser } from './seed.js'

const REWARD = 25

export const signInScenario: Scenario = {
  name: 'sign-in',
  title: 'Sign-in',
  raced: '6 sign-ins of one user at the same time, from 4 processes.',
  rule: `Exactly 1 succeeds, and the reward of ${REWARD} readings is paid once.`,
  processes: 4,
  requests: 6,
  concurrency: 6,
  poolSize: 2,
  expected: 1,
  refusals: ['Error', 'ALREADY_SIGNED_IN'],
  versions: [
    { version: 'naive', exportName: 'signIn' },
    { version: 'locked', exportName: 'signIn' },
  ],
  async prepare(prisma) {
    const userId = await createUser(prisma)
    const rows: SignInRows = { userId }
    return {
      rows,
      async examine() {
        const signIns = await prisma.signIn.count({ where: { userId } })
        const quota = await prisma.readingQuota.findUnique({ where: { userId } })
        const changes = await prisma.readingQuotaChange.count({ where: { userId } })
        const paid = quota?.remaining ?? 0
        const findings: string[] = []
        if (signIns !== 1) findings.push(`${signIns} sign-ins are recorded instead of 1.`)
        if (paid !== REWARD || changes !== 1) {
          findings.push(`${paid} readings were paid in ${changes} rewards for one sign-in, which is worth ${REWARD}.`)
        }
        return { lost: { amount: Math.abs(paid - REWARD), unit: 'readings' }, findings }
      },
    }
  },
}
