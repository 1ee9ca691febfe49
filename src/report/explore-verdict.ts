import type { Counterexample, Coverage, ExploreCounts, ExploreFacts } from '../explorer/report-types.js'
import { count } from './plain-text.js'

/** The verdict in one line. */
export function describeVerdict(facts: ExploreFacts): string {
  switch (facts.verdict) {
    case 'held':
      return describeHeld(facts.counts.schedules, facts.coverage)
    case 'violated':
      return `violated: ${facts.counterexample.anomaly.name}, with ${count(facts.counterexample.preemptions, 'preemption')}`
    case 'nondeterministic':
      return `nondeterministic: the same schedule ran in two ways, from step ${facts.step}`
    case 'exhausted':
      return `exhausted: ${describeExhausted(facts.counts.schedules, facts.coverage)}`
  }
}

function describeHeld(schedules: number, coverage: Coverage): string {
  if (coverage.kind === 'complete')
    return schedules === 1 ? 'held in the only schedule (complete)' : `held in all ${schedules} schedules (complete)`
  if (coverage.kind === 'bounded') return `held in ${count(schedules, 'schedule')}, every one ${withAtMost(coverage.preemptions)}`
  if (coverage.kind === 'replayed') return 'held in the schedule that was replayed'
  const { seed, schedules: random, preemptions } = coverage
  if (random >= schedules) return `held in ${count(schedules, 'schedule')}, sampled with seed ${seed}`
  return `held in ${count(schedules, 'schedule')}: every one ${withAtMost(preemptions)}, and ${random} random ones of seed ${seed}`
}

function describeExhausted(schedules: number, coverage: Coverage | undefined): string {
  const ran = `nothing broke in ${count(schedules, 'schedule')}`
  if (coverage?.kind !== 'bounded') return `${ran}, which cover no bound completely`
  return `${ran}, among them every one ${withAtMost(coverage.preemptions)}`
}

const withAtMost = (preemptions: number) => `with at most ${count(preemptions, 'preemption').replace(/^no /, '0 ')}`

/** What the counts say, each with its words. */
export function describeCounts(counts: ExploreCounts): readonly { readonly label: string; readonly value: string }[] {
  return [
    { label: count(counts.schedules, 'schedule').replace(/^\S+ /, ''), value: String(counts.schedules) },
    { label: 'with a block', value: String(counts.blocked) },
    { label: 'with a deadlock', value: String(counts.deadlocked) },
    { label: 'with a retry', value: String(counts.retried) },
    { label: counts.outcomes === 1 ? 'distinct outcome' : 'distinct outcomes', value: String(counts.outcomes) },
    // Of a few schedules most of the time is the start.
    ...(counts.schedules < 10 ? [] : [{ label: 'schedules per second', value: String(counts.schedulesPerSecond) }]),
  ]
}

/** What no exploration says anything about. */
export const LIMITS = 'Explored statement by statement on one PostgreSQL server; other versions and faults of the network are not covered.'

/** How an actor's operation ended. */
export function describeOutcome({ actor, status, text }: Counterexample['outcomes'][number]): string {
  const what = text.replace(/^(?:fulfilled|rejected)\s*/, '')
  return `${actor} ${status === 'fulfilled' ? 'returned' : 'threw'} ${what}`.trimEnd()
}

/** What a difference between two runs of one schedule means, and what to do about it. */
export const NONDETERMINISTIC =
  'The operations depend on something that the explorer does not control: a clock, a random number, or a state kept outside PostgreSQL.'
