import { claim, complete } from 'rowlock/lockers'
import type { Acknowledgement } from '../journal.js'
import type { Client, Site } from './site.js'

/** A way to change a job by rowlock: one statement that commits by itself. */
export interface JobCall {
  readonly name: string
  readonly report: 'claim' | 'complete'
  readonly keyed: false
  readonly resolves: false
  readonly form: 'statement'
  run(prisma: Client, job: TestJob): Promise<unknown>
}

/** A job of its own queue, which nobody but the call touches. */
export interface TestJob {
  readonly id: bigint
  readonly queue: string
  readonly call: JobCall
  /** What the call was told; undefined when it has not ended. */
  told: Acknowledgement | undefined
}

const LEASE = 3_600_000
const STATEMENT = { keyed: false, resolves: false, form: 'statement' } as const

export const JOB_CALLS: readonly JobCall[] = [
  {
    name: 'claim',
    report: 'claim',
    ...STATEMENT,
    run: (prisma, { queue }) => claim(prisma.job, { where: { queue }, lease: LEASE }),
  },
  {
    name: 'complete',
    report: 'complete',
    ...STATEMENT,
    run: (prisma, { id }) => complete(prisma.job, { id, attempt: 1 }),
  },
]

/** The jobs of a run. */
export interface Jobs {
  readonly all: readonly TestJob[]
  /** Makes the job that a call is about: claimed already if it is to be completed. */
  prepare(call: JobCall, slot: string): Promise<TestJob>
}

export function openJobs({ sql }: Site): Jobs {
  const all: TestJob[] = []
  return {
    all,
    async prepare(call, slot) {
      const queue = `${slot}: ${all.length + 1}`
      const lease = call.report === 'complete' ? LEASE : null
      const [row] = await sql<[{ id: string }]>`
        INSERT INTO "Job" ("queue", "attempt", "leaseExpiresAt")
        VALUES (${queue}, ${lease === null ? 0 : 1}, clock_timestamp() + ${lease}::float8 * interval '1 millisecond') RETURNING "id"::text`
      const job: TestJob = { id: BigInt(row.id), queue, call, told: undefined }
      all.push(job)
      return job
    },
  }
}

/** Compares what each call was told with its job, as the ledger is compared. Returns the number of calls. */
export async function verifyJobs({ sql, findings }: Site, { all }: Jobs): Promise<number> {
  const rows = await sql<{ id: string; attempt: number; completed: boolean }[]>`
    SELECT "id"::text, "attempt", "completedAt" IS NOT NULL AS completed FROM "Job"`
  const found = new Map(rows.map((row) => [row.id, row]))
  for (const { id, call, told } of all) {
    const row = found.get(String(id))!
    const done = call.report === 'claim' ? row.attempt > 0 : row.completed
    if (row.attempt > 1) findings.add('doubled', `job ${id} was claimed ${row.attempt} times`)
    if (told?.said === 'ok' && !done) findings.add('lost', `${call.name} of job ${id}`)
    if (told?.said === 'refused' && done) findings.add('falseNegatives', `${call.name} of job ${id}: ${told.error}`)
    if (told?.said === 'untyped') findings.add('untyped', `${call.name} of job ${id}: ${told.error}`)
  }
  return all.length
}
