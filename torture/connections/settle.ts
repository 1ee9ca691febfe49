import { within } from '../../src/core/within.js'
import { type Acknowledgement, acknowledgementOf } from '../journal.js'
import type { Movement } from '../movement.js'
import type { Call } from './calls.js'
import type { JobCall, TestJob } from './job-calls.js'
import type { Client, Site } from './site.js'

/** Longer than any call may take, with all its attempts. In milliseconds. */
const BOUND = 30_000
const CALLS_AGAIN = 3

/** What a call has to tell its caller, by what was done to it: an outcome, one of two, or an error by its name. */
export type Expected = 'ok' | 'unknown' | 'either' | { readonly error: string }

/**
 * Makes a movement and judges what its caller is told; one whose outcome is unknown and that has a key is made again,
 * as its caller would.
 */
export async function settle(
  { journal, findings }: Site,
  what: string,
  call: Pick<Call, 'name' | 'keyed'>,
  movement: Movement,
  expected: Expected,
  run: () => Promise<unknown>,
): Promise<Acknowledgement['said'] | 'late'> {
  const first = await within(journal.record(movement, run), BOUND)
  judge({ findings }, `${what}: ${call.name}`, first, expected)
  let said = saidBy(first)
  for (let calls = 0; said !== 'ok' && call.keyed && calls < CALLS_AGAIN; calls++) {
    said = saidBy(await within(journal.record(movement, run), BOUND))
  }
  return saidBy(first)
}

/** Calls something about a job, and judges what its caller is told. */
export async function settleJob(
  site: Pick<Site, 'findings'>,
  what: string,
  call: JobCall,
  job: TestJob,
  expected: Expected,
  run: () => Promise<unknown>,
): Promise<Acknowledgement['said'] | 'late'> {
  const told = await within(
    run().then(() => ({ said: 'ok' }) as const, acknowledgementOf),
    BOUND,
  )
  judge(site, `${what}: ${call.name}`, told, expected)
  if (told !== 'late') job.told = told
  return saidBy(told)
}

function judge({ findings }: Pick<Site, 'findings'>, what: string, told: Acknowledgement | 'late', expected: Expected): void {
  if (told === 'late') return findings.add('stuck', `${what} was not over after ${BOUND} ms`)
  // Counted where all that was told is compared with what is there.
  if (told.said === 'untyped' || isAsExpected(told, expected)) return
  const should = typeof expected === 'string' ? expected : expected.error
  findings.add('untyped', `${what} is told ${told.said === 'ok' ? 'ok' : told.error}, and should be told ${should}`)
}

function isAsExpected(told: Acknowledgement, expected: Expected): boolean {
  if (typeof expected !== 'string') return told.said !== 'ok' && told.error === expected.error
  return told.said === expected || (expected === 'either' && told.said !== 'refused')
}

const saidBy = (answer: Acknowledgement | 'late') => (answer === 'late' ? answer : answer.said)

/** The caller whom an ambiguous commit does not stop: the mistake that a key is there for. */
export async function runBlindly(call: Call, prisma: Client, movement: Movement): Promise<unknown> {
  try {
    return await call.run(prisma, movement)
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'AMBIGUOUS_COMMIT') throw error
    return call.run(prisma, movement)
  }
}
