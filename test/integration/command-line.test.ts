import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { createProgram } from '../../src/cli/program.js'
import { runCli } from '../support/run-cli.js'

const SLOW = 90_000
const COMMANDS = createProgram('0.0.0').commands.map((command) => command.name())
const withWork = COMMANDS.filter((name) => name !== 'help')

test('help and version that were asked for are on standard output and end with 0', { timeout: SLOW }, async () => {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  expect(await runCli(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' })
  const help = await runCli(['--help'])
  expect(help).toMatchObject({ code: 0, stderr: '' })
  for (const name of COMMANDS) expect(help.stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'))
  expect(await runCli(['help'])).toEqual(help)
})

test.each(withWork)('the help of %s has options, an example and exit codes, and is one by both ways', { timeout: SLOW }, async (name) => {
  const help = await runCli(['help', name])
  expect(help).toMatchObject({ code: 0, stderr: '' })
  expect(help.stdout).toMatch(new RegExp(`^Usage: rowlock ${name} `))
  expect(help.stdout).toMatch(
    new RegExp(`\\nOptions:\\n[^]*\\nExamples:\\n  \\$ rowlock ${name}[^]*\\nExit codes:\\n  0 [^]*\\n  1 [^]*\\n  2 [^]*\\n  130 `),
  )
  expect(help.stdout).not.toContain('\u001B')
  expect(await runCli([name, '--help'], { env: { FORCE_COLOR: '1' } })).toEqual(help)
})

test('a wrong command line ends with 2, and says on standard error what is wrong and where to look', { timeout: SLOW }, async () => {
  const wrong: [args: string[], message: string | RegExp][] = [
    [['dmo'], "rowlock: Unknown command 'dmo'. (Did you mean demo?) See `rowlock --help`.\n"],
    [['help', 'dmo'], "rowlock: Unknown command 'dmo'. (Did you mean demo?) See `rowlock --help`.\n"],
    [['--fast'], "rowlock: Unknown option '--fast'. See `rowlock --help`.\n"],
    [['demo', '--fast'], "rowlock demo: Unknown option '--fast'. See `rowlock demo --help`.\n"],
    [['demo', '--jso'], "rowlock demo: Unknown option '--jso'. (Did you mean --json?) See `rowlock demo --help`.\n"],
    [['demo', '--only', 'seat'], /^rowlock demo: .* The scenarios are sign-in, ticket, .* See `rowlock demo --help`\.\n$/],
    [['demo', '--database=postgresql://me:secret@host/x'], "rowlock demo: Unknown option '--database'. See `rowlock demo --help`.\n"],
    [['demo', 'now'], /^rowlock demo: Too many arguments.* See `rowlock demo --help`\.\n$/],
    [[], /^Usage: rowlock/],
  ]
  for (const [args, message] of wrong) {
    const { code, stdout, stderr } = await runCli(args)
    expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: '' })
    if (typeof message === 'string') expect(stderr).toBe(message)
    else expect(stderr).toMatch(message)
  }
})
