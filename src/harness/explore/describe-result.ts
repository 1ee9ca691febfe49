import { nameAnomaly } from '../../explorer/name-anomaly.js'
import type { Counterexample, ExploreFacts } from '../../explorer/report-types.js'
import type { ScheduleMismatch } from '../../explorer/scheduler.js'
import { formatToken } from '../../explorer/token.js'
import type { Exploration, Run } from './exploration.js'
import { accessOf } from './footprint.js'
import { describeOutcome, type Judge } from './judge.js'
import { type FoundFault, replayRun, type SearchResult } from './search.js'
import type { Tally } from './tally.js'

/** The facts of a search that has ended; a fault is run once more before it is believed. */
export async function describeResult<Client>(
  result: SearchResult,
  exploration: Exploration<Client>,
  judge: Judge,
  tally: Tally,
): Promise<ExploreFacts> {
  const actors = exploration.actors.map(({ name }) => name)
  const common = { counts: tally.counts, warnings: tally.warnings, actors }
  if (result.kind === 'held') return { ...common, verdict: 'held', coverage: result.coverage }
  if (result.kind === 'exhausted') {
    return {
      ...common,
      verdict: 'exhausted',
      coverage: result.coverage,
      reason: 'The budget of schedules or time ended before all schedules of the search were run.',
    }
  }
  const { found } = result
  const token = formatToken(actors, found.choices)
  const difference = await runAgain(found, exploration, judge)
  if (difference) return { ...common, verdict: 'nondeterministic', token, ...difference }
  return { ...common, verdict: 'violated', token, counterexample: counterexampleOf(found, exploration) }
}

/** A fault counts only if the same schedule shows it again: anything else is chance in the code under test. */
async function runAgain<Client>(found: FoundFault, exploration: Exploration<Client>, judge: Judge) {
  const again = await replayRun(exploration, found.choices)
  const [first, second] = [eventLines(found.run), eventLines(again)]
  const step = first.findIndex((line, index) => line !== second[index])
  if (step !== -1 || first.length !== second.length) {
    const at = step === -1 ? Math.min(first.length, second.length) : step
    return { step: at + 1, first: first[at] ?? '(nothing)', second: second[at] ?? '(nothing)' }
  }
  const fault = await judge.judge(again)
  return fault ? undefined : { step: first.length, first: found.fault.reason, second: 'the invariant holds' }
}

const eventLines = ({ history }: Run) =>
  history.events.map((event) =>
    event.kind === 'step'
      ? `${event.actor} ${event.sql.replace(/\/\*rowlock:\d+\*\//, '')} -> ${event.result?.sqlState ?? event.result?.rows ?? '?'}${event.wait ? ' waited' : ''}`
      : `${event.kind} ${'actor' in event ? event.actor : ''}`,
  )

function counterexampleOf<Client>({ run, fault, preemptions }: FoundFault, exploration: Exploration<Client>): Counterexample {
  const actors = exploration.actors.map(({ name }) => name)
  return {
    actors,
    events: run.history.events,
    preemptions,
    reason: fault.reason,
    expected: fault.expected,
    actual: fault.actual,
    outcomes: Object.entries(run.outcomes).map(([actor, outcome]) => ({ actor, status: outcome.status, text: describeOutcome(outcome) })),
    anomaly: nameAnomaly(run.history.events, actors, (sql, args) => accessOf(sql, args, exploration.data)),
  }
}

/** The facts of a search that ended because the same choices led somewhere else than before. */
export function describeMismatch<Client>(
  { depth, message }: ScheduleMismatch,
  exploration: Exploration<Client>,
  tally: Tally,
): ExploreFacts {
  const actors = exploration.actors.map(({ name }) => name)
  return {
    counts: tally.counts,
    warnings: tally.warnings,
    actors,
    verdict: 'nondeterministic',
    step: depth + 1,
    first: 'the same choices led here before',
    second: message,
    token: formatToken(actors, []),
  }
}
