import type { PrismaClient } from '../../../generated/prisma/client.js'

const HOUR = 3_600_000
const REWARD = 25

/**
 * Wrong when run in parallel: everyone reads before anyone writes, so everyone gets the reward. The
 * unique key then lets one sign-in through, and the other rewards stay.
 */
export async function naiveSignIn(prisma: PrismaClient, { userId }: { userId: number }): Promise<void> {
  const now = new Date()
  const day = new Date(new Date(now.getTime() - 8 * HOUR).toISOString().slice(0, 10))
  const done = await prisma.signIn.findFirst({ where: { userId, day } })
  if (done) throw new Error('You have signed in today.')

  const quota = await prisma.readingQuota.upsert({
    where: { userId },
    create: { userId, remaining: REWARD },
    update: { remaining: { increment: REWARD } },
  })
  await prisma.readingQuotaChange.create({ data: { userId, delta: REWARD, remaining: quota.remaining, reason: 'sign-in' } })
  await prisma.signIn.create({ data: { userId, day, signedInAt: now } })
}
