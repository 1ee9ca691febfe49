import type { Finding } from '../doctor/finding.js'
import { countLevels } from './doctor-text.js'

/** All findings as JSON text, with how many there are of each level, and `ok` when none is a problem. */
export function doctorToJson(findings: readonly Finding[]): string {
  const counts = countLevels(findings)
  return JSON.stringify({ ok: counts.problem === 0, counts, findings }, null, 2)
}
