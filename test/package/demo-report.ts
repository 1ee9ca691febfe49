import { expect } from 'vitest'

interface Version {
  version: string
  attempts: number
  succeeded: number
  expected: number
  lost: { amount: number; unit: string }
  duration: number
  deadlocksRetried: number
  findings: string[]
  right: boolean
}

export interface DemoReport {
  ok: boolean
  failures: string[]
  database: string
  scenarios: { name: string; versions: Version[] }[]
}

/** Six scenarios in which the naive version is wrong and the others are right. */
export function expectShownRight(report: DemoReport): void {
  expect(report).toMatchObject({ ok: true, database: 'embedded', failures: [] })
  const versions = Object.fromEntries(report.scenarios.map(({ name, versions }) => [name, versions]))
  const withLocks = Object.entries(versions).flatMap(([name, all]) =>
    all.slice(1).map(({ version, attempts, succeeded, expected, lost, findings, right }) => ({
      ...{ name, version, attempts, succeeded, expected, lost: lost.amount, findings, right },
    })),
  )
  const right = { lost: 0, findings: [], right: true }
  expect(withLocks).toEqual([
    { name: 'sign-in', version: 'locked', attempts: 6, succeeded: 1, expected: 1, ...right },
    { name: 'ticket', version: 'locked', attempts: 15, succeeded: 1, expected: 1, ...right },
    { name: 'withdraw', version: 'locked', attempts: 500, succeeded: 300, expected: 300, ...right },
    { name: 'counter', version: 'locked', attempts: 200, succeeded: 200, expected: 200, ...right },
    { name: 'order', version: 'locked', attempts: 4, succeeded: 4, expected: 4, ...right },
    { name: 'transfer', version: 'retried', attempts: 40, succeeded: 40, expected: 40, ...right },
    { name: 'transfer', version: 'locked', attempts: 40, succeeded: 40, expected: 40, ...right },
  ])
  for (const [naive] of Object.values(versions)) {
    expect(naive).toMatchObject({ version: 'naive', right: false, deadlocksRetried: 0 })
    expect(naive!.lost.amount).toBeGreaterThan(0)
    expect(naive!.findings).not.toEqual([])
  }
  const [, retried, locked] = versions['transfer']!
  expect(retried!.deadlocksRetried).toBeGreaterThan(0)
  expect(locked!.deadlocksRetried).toBe(0)
}
