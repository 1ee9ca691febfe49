import type { Counterexample, ExploreFacts } from '../explorer/report-types.js'
import { renderLanes } from './explore-lanes.js'
import { replayCommand, replayTest } from './explore-replay.js'
import { describeCounts, describeOutcome, describeVerdict, LIMITS, NONDETERMINISTIC } from './explore-verdict.js'
import { inLines, inOneLine, wrap } from './plain-text.js'

/** The verdict as plain text, with the counterexample in lanes. */
export function renderExploreText(facts: ExploreFacts): string {
  const head = [inOneLine(describeVerdict(facts)), countsLine(facts), ...facts.warnings.flatMap((warning) => field('warning', warning))]
  return [head, ...sectionsOf(facts)].map((lines) => lines.join('\n')).join('\n\n') + '\n'
}

type Section = readonly string[]

function countsLine({ counts }: ExploreFacts): string {
  return describeCounts(counts)
    .map(({ value, label }) => `${value} ${label}`)
    .join(', ')
}

function sectionsOf(facts: ExploreFacts): Section[] {
  switch (facts.verdict) {
    case 'held':
      return [[LIMITS]]
    case 'exhausted':
      return [field('reason', facts.reason), [LIMITS]]
    case 'nondeterministic':
      return [
        [...field('step', String(facts.step)), ...field('first run', facts.first), ...field('then', facts.second)],
        wrap(NONDETERMINISTIC, LABEL_WIDTH + TEXT_WIDTH),
        replayLines(facts.token),
      ]
    case 'violated':
      return violated(facts.counterexample, facts.token)
  }
}

function violated(counterexample: Counterexample, token: string): Section[] {
  const { anomaly, reason, expected, actual, outcomes } = counterexample
  return [
    [renderLanes(counterexample)],
    [...field('broken', reason), ...field('expected', expected), ...field('actual', actual)],
    [...field('anomaly', anomaly.name), ...field('', anomaly.sentence), ...field('prevent', anomaly.prevention)],
    outcomes.flatMap((outcome, index) => field(index === 0 ? 'outcomes' : '', describeOutcome(outcome))),
    replayLines(token),
    ['As a test, with the options of this exploration:', ...replayTest(counterexample, token).map((line) => `  ${line}`.trimEnd())],
  ]
}

function replayLines(token: string): Section {
  return [...field('token', token), ...field('again', '`replay(token, options)`, or'), ...field('', replayCommand(token))]
}

const LABEL_WIDTH = 10
const TEXT_WIDTH = 96

/** A label and its text; more lines stand under the first. */
function field(label: string, text: string | undefined): Section {
  if (text === undefined) return []
  const lines = inLines(text).flatMap((line) => wrap(line, TEXT_WIDTH))
  return lines.map((line, index) => `${(index === 0 ? label : '').padEnd(LABEL_WIDTH)}${line}`.trimEnd())
}
