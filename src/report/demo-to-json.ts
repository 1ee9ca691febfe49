import { isRight, judgeDemo, type DemoResult } from './demo-result.js'

/** The whole result as JSON text, with what follows from it: `right` for every version, `ok` and `failures`. */
export function demoToJson(result: DemoResult): string {
  const { database, duration, scenarios } = result
  const { ok, failures } = judgeDemo(result)
  return JSON.stringify(
    {
      ok,
      failures,
      database,
      duration: Math.round(duration),
      scenarios: scenarios.map((scenario) => ({
        ...scenario,
        versions: scenario.versions.map((version) => ({
          ...version,
          duration: Math.round(version.duration),
          right: isRight(version),
        })),
      })),
    },
    null,
    2,
  )
}
