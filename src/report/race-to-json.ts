import { bigintAsText } from './bigint-as-text.js'
import { countValues } from './count-values.js'
import { judgeRace, type RaceReport } from './race-report.js'

/**
 * A race as JSON text: what happened, the distinct values with how often each was returned, and `ok`. A value that
 * JSON does not have, such as a Map or a cycle, stands there as text.
 */
export function raceToJson(report: RaceReport): string {
  const { values, expected = null, ended = null, duration, ...rest } = report
  const { ok, sentence } = judgeRace(report)
  const counted = countValues(values).map(({ value, text, count }) => ({ value: jsonOr(text, value), count }))
  return JSON.stringify({ ok, verdict: sentence, ...rest, duration, expected, ended, values: counted }, null, 2)
}

function jsonOr(text: string, value: unknown): unknown {
  if (value instanceof Map || value instanceof Set || ArrayBuffer.isView(value)) return text
  try {
    const json = JSON.stringify(value, bigintAsText) as string | undefined
    return json === undefined ? null : (JSON.parse(json) as unknown)
  } catch {
    return text
  }
}
