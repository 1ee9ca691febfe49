import { describe, expect, test } from 'vitest'

import { runCli } from '../support/run-cli.js'

// Some fifty worker processes, each with a Prisma client of its own: half a minute on two idle cores.
const WHOLE_DEMO = 300_000
const ONE_SCENARIO = 90_000

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

interface Report {
  ok: boolean
  failures: string[]
  database: string
  scenarios: { name: string; versions: Version[] }[]
}

describe('rowlock demo', () => {
  test('shows six scenarios in which the naive version is wrong and the others are right', { timeout: WHOLE_DEMO }, async () => {
    const { code, stdout, stderr, leftFiles } = await runCli(['demo', '--json'])
    const report = JSON.parse(stdout) as Report
    expect(report.failures).toEqual([])
    expect({ code, stderr, leftFiles }).toEqual({ code: 0, stderr: '', leftFiles: [] })
    expect(report).toMatchObject({ ok: true, database: 'embedded' })
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
  })

  test('writes plain lines into a pipe, without colours, also where they are asked for', { timeout: ONE_SCENARIO }, async () => {
    const { code, stdout } = await runCli(['demo', '--only', 'order'], { env: { FORCE_COLOR: '1' } })
    expect(stdout).not.toContain('\u001B')
    const lines = stdout.split('\n').filter((line) => !line.includes('right by luck'))
    expect(lines.slice(0, 5)).toEqual([
      'Starting PostgreSQL …',
      'PostgreSQL is running (embedded).',
      "[1/1] Order: 4 orders of 2 users at the same time, 2 each, from 2 processes. All 4 are placed, and each user's are numbered 1 and 2.",
      expect.stringMatching(/^ +naive +wrong: \d of 4 succeeded, 4 should; lost: \d orders?; /),
      expect.stringMatching(/^ +locked +right: 4 of 4 succeeded, 4 should; lost: nothing; /),
    ])
    expect(lines).toContain('Every naive version was wrong, and every version with row locks was right.')
    expect(code).toBe(0)
  })

  test.each([
    ['while PostgreSQL starts', 'Starting', 'SIGINT', 130],
    ['while processes race', '[1/1]', 'SIGINT', 130],
    ['while processes race', '[1/1]', 'SIGTERM', 143],
  ] as const)(
    'interrupted %s (at %s, by %s) leaves nothing and exits with %i',
    { timeout: ONE_SCENARIO },
    async (_when, at, signal, code) => {
      const result = await runCli(['demo', '--only', 'order'], { interrupt: { at, signal } })
      expect(result).toMatchObject({
        code,
        stderr: 'rowlock demo: Interrupted; its processes and its database are gone.\n',
        leftFiles: [],
      })
    },
  )

  test('says in a sentence why it cannot run, and exits with 1', async () => {
    const { code, stdout, stderr } = await runCli(['demo', '--json'], { env: { ROWLOCK_DATABASE: 'mainframe' } })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^rowlock demo: Option `ROWLOCK_DATABASE` must be .*\n$/)
  })
})
