import type { ExploreFacts } from '../explorer/report-types.js'

/** The verdict as one self-contained HTML page. */
export function renderExploreHtml(facts: ExploreFacts): string {
  return JSON.stringify(facts)
}
