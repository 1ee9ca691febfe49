import { setTimeout } from 'node:timers/promises'
import { credit } from 'rowlock/repositories'
import type { Prisma } from '../client.js'
import type { Payment } from './payments.js'
import type { WorkerOptions } from './worker.js'

/**
 * Wrong: two workers read the same open job, and both do it; one that dies between the effect and the
 * update leaves the job open, and the next one does it again.
 */
export async function runNaiveWorker(prisma: Prisma, { queue, signal, log }: Omit<WorkerOptions, 'handle'>): Promise<void> {
  while (!signal.aborted) {
    const job = await prisma.job.findFirst({ where: { queue, completedAt: null, failedAt: null }, orderBy: { id: 'asc' } })
    if (!job) {
      await setTimeout(1_000, undefined, { signal }).catch(() => undefined)
      continue
    }
    const { id, payload } = job
    try {
      const { userId, amount } = payload as Payment
      await credit(prisma, { userId, amount })
      await prisma.job.update({ where: { id }, data: { completedAt: new Date(), attempt: { increment: 1 } } })
      log(`job ${id} is completed`)
    } catch (error) {
      await prisma.job.update({ where: { id }, data: { failedAt: new Date(), error: String(error) } })
      log(`job ${id} has failed for good: ${String(error)}`)
    }
  }
}
