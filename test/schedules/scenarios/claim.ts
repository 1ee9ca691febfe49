import assert from 'node:assert/strict'
import { StaleClaimError } from 'rowlock'
import { claim, complete, extend, fail } from 'rowlock/lockers'
import type { InvariantContext } from 'rowlock/testing'
import type { TestClient } from '../../support/client.js'
import { advanceServerClock } from '../../support/virtual-server-clock.js'
import { repeated, type Scenario, valuesOf } from './scenario.js'

type Job = Awaited<ReturnType<typeof claimOne>>
type Work = (prisma: TestClient, job: NonNullable<Job>) => Promise<unknown>

/** What a worker has to say: which attempt it had, and what became of it. */
interface Outcome {
  readonly attempt: number
  readonly result: 'completed' | 'failed' | 'stale'
}

type Actor = (prisma: TestClient, number: number) => Promise<unknown>

/** One job for several workers, and time, which passes by more than a lease whenever the schedule says so. */
export interface ClaimScenario extends Scenario<TestClient> {
  /** The same as it is often written, by what is missing. */
  readonly broken: Readonly<Record<string, Scenario<TestClient>['actors']>>
  /** Whether a worker may have to wait for another. */
  readonly waits: boolean
}

const LEASE = 60_000
const claimOne = async (prisma: TestClient) => (await claim(prisma.job, { lease: LEASE }))[0]

/** Others skip the job from the claim on, and a late report of theirs waits, until this commits. */
const claimInTransaction = (prisma: TestClient): Promise<Job> =>
  prisma.$transaction(async (tx) => {
    const [job] = await claim(tx.job, { lease: LEASE })
    await tx.company.count()
    return job
  })

/** Two statements, and nothing that keeps another worker out in between. */
async function claimUnlocked(prisma: TestClient): Promise<Job> {
  const job = await prisma.job.findFirst({ where: { completedAt: null, leaseExpiresAt: null } })
  if (!job) return undefined
  return prisma.job.update({ where: { id: job.id }, data: { attempt: job.attempt + 1, leaseExpiresAt: new Date(8e12) } })
}

const completeAlone: Work = (prisma, job) => complete(prisma.job, job)

/** The effect is a company that is named after the attempt. */
const completeWithEffect: Work = (prisma, job) =>
  prisma.$transaction(async (tx) => {
    await tx.company.create({ data: { name: `attempt ${job.attempt}` } })
    await complete(tx.job, job)
  })

/** Of a job that is not completed yet, whoever holds it. */
const completeUnguarded: Work = async (prisma, { id }) => {
  const done = await prisma.job.updateMany({ where: { id, completedAt: null }, data: { completedAt: new Date(0), leaseExpiresAt: null } })
  if (done.count === 0) throw new StaleClaimError('It was completed before.', { attempt: 0 })
}

const completeWithEffectUnguarded: Work = (prisma, job) =>
  prisma.$transaction(async (tx) => {
    await tx.company.create({ data: { name: `attempt ${job.attempt}` } })
    await completeUnguarded(tx as never, job)
  })

const extendAndComplete: Work = async (prisma, job) => {
  await extend(prisma.job, job, { lease: LEASE })
  await complete(prisma.job, job)
}

const extendUnguardedAndComplete: Work = async (prisma, job) => {
  await prisma.job.updateMany({ where: { id: job.id, completedAt: null }, data: { leaseExpiresAt: new Date(8e12) } })
  await completeUnguarded(prisma, job)
}

const failForNow: Work = (prisma, job) => fail(prisma.job, job, { error: 'busy', retryIn: 0 })

/** Gives the job back, whoever holds it now. */
const failUnguarded: Work = (prisma, { id }) => prisma.job.updateMany({ where: { id, completedAt: null }, data: { leaseExpiresAt: null } })

const worker =
  (work: Work, take: (prisma: TestClient) => Promise<Job> = claimOne, result: Outcome['result'] = 'completed') =>
  async (prisma: TestClient): Promise<Outcome | undefined> => {
    const job = await take(prisma)
    if (!job) return undefined
    const { attempt } = job
    try {
      await work(prisma, job)
      return { attempt, result }
    } catch (error) {
      if (!(error instanceof StaleClaimError)) throw error
      return { attempt, result: 'stale' }
    }
  }

/** Time passes once for each worker but the first. */
const time = (workers: number) => async (prisma: TestClient) => {
  for (let turn = 1; turn < workers; turn++) await advanceServerClock(prisma, LEASE + 1_000)
}

async function setup(prisma: TestClient): Promise<void> {
  await prisma.$executeRaw`TRUNCATE "Job" RESTART IDENTITY`
  await prisma.job.create({ data: { runAt: new Date(0) } })
}

/** Every attempt is one worker's, and the job was completed by its last one, whose effect alone is there. */
async function completedOnceByTheLast(prisma: TestClient, { outcomes }: InvariantContext): Promise<void> {
  const claimed = valuesOf(outcomes).filter((value) => value !== undefined) as Outcome[]
  const failed = Object.values(outcomes).filter(({ status }) => status === 'rejected')
  assert.deepEqual(failed, [], 'A worker met an error that is no refusal.')
  assert.equal(new Set(claimed.map(({ attempt }) => attempt)).size, claimed.length, 'Two workers had the same attempt.')

  const job = await prisma.job.findFirstOrThrow()
  const completers = claimed.filter(({ result }) => result === 'completed').map(({ attempt }) => attempt)
  const expected = job.completedAt === null ? [] : [job.attempt]
  assert.deepEqual(completers, expected, 'The job was not completed by the attempt that holds it.')
  const effects = (await prisma.company.findMany()).map(({ name }) => name)
  assert.ok(effects.length === 0 || effects.join() === `attempt ${job.attempt}`, 'An attempt that is over has had its effect.')
}

/** As {@link completedOnceByTheLast}; and nobody has taken away a job that another holds. */
async function nobodyIsRobbed(prisma: TestClient, context: InvariantContext): Promise<void> {
  await completedOnceByTheLast(prisma, context)
  const outcomes = valuesOf(context.outcomes).filter((value) => value !== undefined) as Outcome[]
  const last = outcomes.find(({ attempt }) => attempt === Math.max(...outcomes.map((outcome) => outcome.attempt)))
  assert.notEqual(last?.result, 'stale', 'The last attempt was refused.')
}

interface Workers {
  readonly right: Actor
  readonly wrong: Readonly<Record<string, Actor>>
  readonly invariant?: Scenario<TestClient>['invariant']
  readonly waits?: boolean
}

const workers: Readonly<Record<string, Workers>> = {
  complete: {
    right: worker(completeAlone),
    wrong: {
      'without a lock between the choice of a job and its claim': worker(completeAlone, claimUnlocked),
      'without a look at the attempt': worker(completeUnguarded),
    },
  },
  'complete, in the transaction of its effect': {
    right: worker(completeWithEffect),
    wrong: { 'without a look at the attempt': worker(completeWithEffectUnguarded) },
  },
  'complete, of a job that was claimed in a transaction': {
    right: worker(completeAlone, claimInTransaction),
    wrong: { 'without a look at the attempt': worker(completeUnguarded, claimInTransaction) },
    waits: true,
  },
  extend: {
    right: worker(extendAndComplete),
    wrong: { 'without a look at the attempt': worker(extendUnguardedAndComplete) },
    invariant: nobodyIsRobbed,
  },
  fail: {
    right: firstOf(worker(failForNow, claimOne, 'failed'), worker(completeAlone)),
    wrong: { 'without a look at the attempt': firstOf(worker(failUnguarded, claimOne, 'failed'), worker(completeAlone)) },
    invariant: nobodyIsRobbed,
  },
}

/** The first worker does this, the others that. */
function firstOf(first: Actor, others: Actor): Actor {
  return (prisma, number) => (number === 1 ? first : others)(prisma, number)
}

/** Each report by so many workers. */
export const claimScenarios = (count: 2 | 3): readonly ClaimScenario[] =>
  Object.entries(workers).map(([title, { right, wrong, invariant = completedOnceByTheLast, waits = false }]) => {
    const withTime = (run: Actor) => ({ ...repeated(count, run), time: time(count) })
    const broken = Object.fromEntries(Object.entries(wrong).map(([missing, run]) => [missing, withTime(run)]))
    return { title, setup, actors: withTime(right), broken, invariant, waits }
  })
