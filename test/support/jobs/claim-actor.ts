/** A worker of the race for jobs between processes; loaded by worker processes, never by a test itself. */
import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { lockable } from '../../../src/adapter/lockable.js'
import { rowLocks } from '../../../src/extension/row-locks.js'
import { defineRaceActor } from '../../../src/harness/define-race-actor.js'
import { claim } from '../../../src/jobs/claim.js'
import { complete } from '../../../src/jobs/complete.js'
import { POOLED } from '../through-pooler.js'

export interface ClaimRaceInput {
  readonly url: string
  readonly take: number
}

/** Claims until there is no job left; of those it has claimed it completes each together with its effect, a company. */
export const worker = defineRaceActor({
  connect: async ({ input }: { input: ClaimRaceInput }) => {
    const prisma = new PrismaClient({ adapter: lockable(new PrismaPg({ connectionString: input.url, max: 4 }), POOLED) }).$extends(
      rowLocks(),
    )
    await prisma.job.count()
    return prisma
  },
  run: async ({ client: prisma, input, process }) => {
    const done: { readonly id: number; readonly process: number }[] = []
    let largest = 0
    for (;;) {
      const jobs = await claim(prisma.job, { orderBy: { id: 'asc' }, take: input.take, lease: 600_000 })
      if (jobs.length === 0) return { done, largest }
      largest = Math.max(largest, jobs.length)
      for (const job of jobs) {
        await prisma.$transaction(async (tx) => {
          await tx.company.create({ data: { name: `job ${job.id}` } })
          await complete(tx.job, job)
        })
        done.push({ id: Number(job.id), process })
      }
    }
  },
})
