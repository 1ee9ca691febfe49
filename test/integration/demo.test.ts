import { describe, expect, test } from 'vitest'

import { runCli } from '../support/run-cli.js'

// All of it is run out of the tarball, where it is faster: see test/package/tarball.test.ts.
const ONE_SCENARIO = 90_000

describe('rowlock demo', () => {
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
