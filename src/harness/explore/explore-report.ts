import { AssertionError } from 'node:assert'
import type { ExploreFacts } from '../../explorer/report-types.js'
import { renderExploreHtml } from '../../report/explore-html.js'
import { renderExploreText } from '../../report/explore-text.js'

/** The verdict of an exploration: its facts by `verdict`, and the ways to show them. */
export type ExploreReport = ExploreFacts & {
  /** The verdict and, when the invariant broke, the counterexample in lanes; plain text. */
  text(): string
  /** One self-contained page: a timeline of the counterexample. */
  html(): string
}

export function createReport(facts: ExploreFacts): ExploreReport {
  return Object.assign(facts, { text: () => renderExploreText(facts), html: () => renderExploreHtml(facts) })
}

/**
 * Fails with the counterexample as its message unless the report says that the invariant held.
 *
 * @throws {AssertionError} for any verdict but `held`, and for one that rests on no lock ever being waited for and no table shared.
 */
export function expectHolds(report: ExploreReport): void {
  if (report.verdict === 'held') return
  throw new AssertionError({
    message: report.text(),
    actual: report.verdict,
    expected: 'held',
    operator: 'expectHolds',
    stackStartFn: expectHolds,
  })
}
