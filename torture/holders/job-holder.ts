// A process that claims jobs and reports them together with an effect, as it is told.
import { PrismaPg } from '@prisma/adapter-pg'
import { lockable, rowLocks, type TransactionClientOf } from 'rowlock'
import { claim, complete, extend, fail } from 'rowlock/lockers'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import type { Job } from '../../src/generated/prisma/client.js'
import { type Commands, serveCommands } from '../../test/support/lockers/serve-commands.js'

/** What the process can be told to do with the job of a queue. */
export interface JobHolderCommands {
  /** Claims the job, and resolves with the number of the attempt. */
  hold(queue: string): Promise<number>
  complete(queue: string): Promise<string>
  fail(queue: string): Promise<string>
  extend(queue: string): Promise<string>
  /** Completes it without asking whose attempt is at work. */
  completeUnguarded(queue: string): Promise<string>
}

const [url, lease] = process.argv.slice(2) as [string, string]
const prisma = new PrismaClient({ adapter: lockable(new PrismaPg({ connectionString: url, max: 5 })) }).$extends(rowLocks())
const jobs = new Map<string, Job>()

type Tx = TransactionClientOf<typeof prisma>

async function report(queue: string, how: (tx: Tx, job: Job) => Promise<unknown>): Promise<string> {
  const job = jobs.get(queue)!
  await prisma.$transaction(
    async (tx) => {
      await tx.company.create({ data: { name: effectName(queue, job.attempt) } })
      await how(tx, job)
    },
    { maxWait: 60_000, timeout: 60_000 },
  )
  return 'reported'
}

const effectName = (queue: string, attempt: number) => `${queue}, attempt ${attempt}`

await prisma.$queryRaw`SELECT 1`

serveCommands({
  async hold(queue) {
    const [job] = await claim(prisma.job, { where: { queue }, lease: Number(lease) })
    jobs.set(queue, job!)
    return job!.attempt
  },
  complete: (queue) => report(queue, (tx, job) => complete(tx.job, job)),
  fail: (queue) => report(queue, (tx, job) => fail(tx.job, job, { error: 'too late' })),
  extend: (queue) => report(queue, (tx, job) => extend(tx.job, job, { lease: 60_000 })),
  completeUnguarded: (queue) =>
    report(queue, (tx, { id }) => tx.job.update({ where: { id }, data: { completedAt: new Date(), leaseExpiresAt: null } })),
} satisfies Commands & JobHolderCommands)
