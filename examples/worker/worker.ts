/** The loop of a job worker. Copy this file: it needs nothing but rowlock and the model `Job`. */
import { setTimeout } from 'node:timers/promises'
import { StaleClaimError, type TransactionClientOf } from 'rowlock'
import { claim, complete, fail, type JobOf } from 'rowlock/lockers'
import type { Prisma } from '../client.js'

export type Job = JobOf<Prisma['job']>

/** The client of the transaction in which a job has its effect. */
export type JobTransaction = TransactionClientOf<Prisma>

export interface WorkerOptions {
  readonly queue: string
  /**
   * The effect of a job, in the transaction that completes it. It may be run again: whatever it does beside that
   * transaction must bear a repetition.
   */
  readonly handle: (tx: JobTransaction, job: Job) => Promise<unknown>
  /** Once aborted, the job that is under way is finished, and no other is begun. */
  readonly signal: AbortSignal
  /** Told in a sentence what became of each job, and what went wrong. */
  readonly log: (line: string) => void
  /**
   * For how long a job is its worker's, in milliseconds. When a worker dies, its job waits for so long. Longer than any job
   * takes: of one that takes longer the effect is rolled back. Default: 60,000.
   */
  readonly lease?: number
  /** How often a job is tried before it has failed for good. Default: 5. */
  readonly maxAttempts?: number
  /** The longest pause before the second attempt, in milliseconds; it doubles with each attempt, up to an hour. Default: 5,000. */
  readonly retryIn?: number
  /** How long to wait when there is no job, in milliseconds. Default: 1,000. */
  readonly poll?: number
}

const HOUR = 3_600_000

/** Works on the jobs of a queue, one after another, until `signal` is aborted. Run as many as you like, in any number of processes. */
export async function runWorker(prisma: Prisma, options: WorkerOptions): Promise<void> {
  const { signal, poll = 1_000 } = options
  while (!signal.aborted) {
    const job = await claimNext(prisma, options)
    if (job) await work(prisma, job, options)
    else await setTimeout(poll, undefined, { signal }).catch(() => undefined)
  }
}

async function claimNext(prisma: Prisma, { queue, lease = 60_000, log }: WorkerOptions): Promise<Job | undefined> {
  try {
    const [job] = await claim(prisma.job, { where: { queue }, orderBy: { runAt: 'asc' }, lease })
    return job
  } catch (error) {
    // The database is away for a moment. Should a job have been claimed all the same, its lease expires.
    log(`no job could be claimed: ${String(error)}`)
    return undefined
  }
}

async function work(prisma: Prisma, job: Job, options: WorkerOptions): Promise<void> {
  const { handle, maxAttempts = 5, log } = options
  try {
    // Workers that died have not reported. A job that kills each of them must not come back for ever.
    if (job.attempt > maxAttempts) throw new Error('Its last worker ended in the middle of it.')
    await prisma.$transactionWithRetry(
      async (tx) => {
        await handle(tx, job)
        // In the transaction of the effect: both are there or neither, also when this process dies at any point.
        await complete(tx.job, job)
      },
      { label: `job ${job.id}` },
    )
    log(`${nameOf(job)} is completed`)
  } catch (error) {
    await giveUp(prisma, job, error, options)
  }
}

async function giveUp(prisma: Prisma, job: Job, error: unknown, options: WorkerOptions): Promise<void> {
  const { maxAttempts = 5, log } = options
  const again = job.attempt < maxAttempts ? { retryIn: backOff(job.attempt, options) } : {}
  try {
    await fail(prisma.job, job, { error, ...again })
    const next = again.retryIn === undefined ? 'for good' : `and is tried again in ${again.retryIn} ms`
    log(`${nameOf(job)} has failed ${next}: ${String(error)}`)
  } catch (reason) {
    // With a StaleClaimError there is nothing left to do: its COMMIT was carried out after all, or another worker has it by now.
    if (reason instanceof StaleClaimError) log(`${nameOf(job)} is not this worker's any more: ${String(error)}`)
    else log(`${nameOf(job)} has failed, and comes back when its lease has expired: ${String(error)}`)
  }
}

/** A random part of a pause that doubles: jobs that failed together do not come back together. */
function backOff(attempt: number, { retryIn = 5_000 }: WorkerOptions): number {
  return Math.round(Math.random() * Math.min(retryIn * 2 ** (attempt - 1), HOUR))
}

const nameOf = ({ id, attempt }: Job) => `job ${id} (attempt ${attempt})`
