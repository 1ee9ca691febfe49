import assert from 'node:assert/strict'
import { claim, complete } from 'rowlock/lockers'
import type { TestClient } from '../../test/support/client.js'

const LEASE = 60_000

/** One way for workers to take jobs; each takes what it gets until there is none left. */
export interface ClaimContestant {
  readonly name: string
  /** Takes jobs and completes them; returns how many. */
  readonly work: () => Promise<number>
}

export function claimContestants(prisma: TestClient): ClaimContestant[] {
  const claimAndComplete = async (take: number) => {
    const jobs = await claim(prisma.job, { orderBy: { id: 'asc' }, take, lease: LEASE })
    for (const job of jobs) await complete(prisma.job, job)
    return jobs.length
  }
  return [
    { name: 'by hand: oldest open job FOR UPDATE, then update', work: () => lockThenComplete(prisma, false) },
    { name: 'by hand: the same with SKIP LOCKED', work: () => lockThenComplete(prisma, true) },
    { name: 'claim, one at a time', work: () => claimAndComplete(1) },
    { name: 'claim, ten at a time', work: () => claimAndComplete(10) },
  ]
}

/** The job stays locked, and its connection taken, for as long as it runs. */
async function lockThenComplete(prisma: TestClient, skipLocked: boolean): Promise<number> {
  return prisma.$transaction(
    async (tx) => {
      const lock = skipLocked ? ({ strength: 'forUpdate', skipLocked: true } as const) : 'forUpdate'
      const job = await tx.job.findFirst({ where: { completedAt: null }, orderBy: { id: 'asc' }, lock })
      // Who has waited finds the job done that it waited for, and nothing in its place: it looks again.
      if (!job) return 0
      await tx.job.update({ where: { id: job.id }, data: { attempt: 1, completedAt: new Date() } })
      return 1
    },
    { maxWait: 60_000, timeout: 60_000 },
  )
}

/** Runs so many workers until every job is done, or the time is up, and checks that each was done once. */
export async function runWorkers(
  prisma: TestClient,
  { work }: ClaimContestant,
  { workers, jobs, limit }: { readonly workers: number; readonly jobs: number; readonly limit: number },
): Promise<{ readonly seconds: number; readonly done: number }> {
  await prisma.$executeRaw`TRUNCATE "Job" RESTART IDENTITY`
  await prisma.job.createMany({ data: Array.from({ length: jobs }, () => ({})) })
  let done = 0
  const begun = performance.now()
  const worker = async () => {
    while (done < jobs && performance.now() - begun < limit) {
      // Not `done += await work()`, which reads before it waits and loses what the others have counted.
      const more = await work()
      done += more
    }
  }
  await Promise.all(Array.from({ length: workers }, worker))
  const seconds = (performance.now() - begun) / 1_000
  assert.equal(await prisma.job.count({ where: { completedAt: { not: null }, attempt: 1 } }), done)
  return { seconds, done }
}
