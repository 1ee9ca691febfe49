import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, inject, test } from 'vitest'
import { databaseName } from '../../src/harness/database-url.js'
import { useDatabase } from '../support/database.js'
import { runCli } from '../support/run-cli.js'

const database = useDatabase()
const SLOW = 90_000
const root = fileURLToPath(new URL('../..', import.meta.url))
const COUNT = join(root, 'test/support/races/count.ts')
const PLAIN = join(root, 'test/support/races/plain.mjs')
const MIGRATIONS = join(root, 'prisma/migrations')

/** The file of the help, in a project as its reader has one. */
async function writeExample(): Promise<{ readonly file: string } & AsyncDisposable> {
  const { stdout } = await runCli(['help', 'race'])
  const [, code = ''] = /\n(?= {2}import)([^]*?)\n(?=\S)/.exec(stdout)!
  const folder = await mkdtemp(join(tmpdir(), 'rowlock-race-'))
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  await symlink(join(root, 'src/generated'), join(folder, 'generated'))
  const file = join(folder, 'tickets.race.ts')
  await writeFile(file, code.replaceAll(/^ {2}/gm, ''))
  return { file, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
}

test('the file and the command line of the help work', { timeout: SLOW }, async () => {
  await using example = await writeExample()
  const args = ['race', example.file, '--requests', '30', '--expect', '15', '--migrations', MIGRATIONS]
  const { code, stdout, stderr, leftFiles } = await runCli(args)
  expect({ code, stderr, leftFiles }, stdout).toEqual({ code: 0, stderr: '', leftFiles: [] })
  expect(stdout).toMatch(/^Starting …\nPostgreSQL is running \(embedded\)\.\nRacing …\n\n30 requests from 4 processes, 30 at a time, in /)
  expect(stdout).toMatch(
    /succeeded +15 +15 distinct values: \{ .*\n +SOLD_OUT +\d+ +first in request \d+: SoldOutError: [^]*\n +latency +p50 /,
  )
  expect(stdout).toMatch(/\n15 of 30 requests succeeded, as expected\.\n$/)
})

test('a given database is raced on as it is, and `setup` and actor get the input', { timeout: SLOW }, async () => {
  const args = ['race', COUNT, '--requests', '12', '--processes', '2', '--concurrency', '4', '--input', '{"start":100}']
  const { code, stdout, stderr } = await runCli([...args, '--database', database.url, '--json'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const report = JSON.parse(stdout)
  expect(report).toMatchObject({ ok: true, database: 'given', processes: 2, requests: 12, concurrency: 4, fulfilled: 12, errors: {} })
  expect(report.values.map(({ value }: { value: number }) => value).sort()).toEqual(Array.from({ length: 12 }, (_, index) => 101 + index))
  expect(await database.sql`SELECT count FROM "Company"`).toEqual([{ count: 112 }])
})

test(
  'under DATABASE_URL the race is on a database of its own, which a client of the environment finds as well',
  { timeout: SLOW },
  async () => {
    const { adminUrl } = inject('template')
    const args = ['race', COUNT, '--export', 'environment', '--requests', '2', '--migrations', MIGRATIONS, '--json']
    const { code, stdout, stderr } = await runCli(args, { env: { DATABASE_URL: adminUrl } })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const { values, database: source } = JSON.parse(stdout)
    expect(source).toBe('url')
    expect(values).toEqual([{ value: { name: expect.stringMatching(/^rowlock_\w+$/) as string, same: true }, count: 2 }])
    expect(values[0].value.name).not.toBe(databaseName(adminUrl))
    expect(await database.sql`SELECT 1 FROM pg_database WHERE datname = ${values[0].value.name}`).toEqual([])
  },
)

test('another number than the expected ends with 1, and what was thrown cannot colour the terminal', { timeout: SLOW }, async () => {
  const args = ['race', PLAIN, '--export', 'refuse', '--no-database', '--requests', '5', '--input', '{"seats":2}']
  const { code, stdout, stderr } = await runCli([...args, '--expect', '1'], { env: { FORCE_COLOR: '1' } })
  expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
  expect(stdout).not.toContain('\u001B')
  expect(stdout).toMatch(/succeeded +2 +each returned 'seat'\n +SOLD_OUT +3 +first in request \d: Error: Sold out\.\n/)
  expect(stdout).toMatch(/\n2 of 5 requests succeeded; expected were exactly 1\.\n$/)
  const report = await runCli(args)
  expect(report).toMatchObject({ code: 0, stdout: expect.stringMatching(/\n2 of 5 requests succeeded\.\n$/) as string })
})

test('with --json nothing but JSON is on standard output, whatever the actors print and return', { timeout: SLOW }, async () => {
  const { code, stdout, stderr } = await runCli(['race', PLAIN, '--export', 'chatty', '--no-database', '--requests', '2', '--json'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: 'not JSON\nnot JSON\n' })
  const { values } = JSON.parse(stdout)
  expect(values).toEqual([
    { value: { big: '1180591620717411303424', at: {} }, count: 1 },
    { value: { big: '1180591620717411303424', at: {} }, count: 1 },
  ])
})

test('a race that does not end within its deadline ends with 1, and says what had happened', { timeout: SLOW }, async () => {
  const args = [
    'race',
    PLAIN,
    '--export',
    'hang',
    '--no-database',
    '--requests',
    '3',
    '--processes',
    '1',
    '--deadline',
    '3000',
    '--expect',
    '0',
  ]
  const { code, stdout } = await runCli(args)
  expect(code).toBe(1)
  expect(stdout).toMatch(/\nThe race did not end within its deadline of 3000 ms\. Of 3 requests 0 had succeeded, .*\n$/)
})

test('Ctrl-C ends with 130 and leaves neither processes nor a database', { timeout: SLOW }, async () => {
  const args = ['race', PLAIN, '--export', 'hang', '--requests', '3']
  const result = await runCli(args, { interrupt: { at: 'Racing', signal: 'SIGINT' } })
  const stderr = 'rowlock race: Interrupted; its processes and its database are gone.\n'
  expect(result).toMatchObject({ code: 130, stderr, leftFiles: [] })
})

test('what cannot be raced ends with 2, and says why in a line', { timeout: SLOW }, async () => {
  const wrong: [args: string[], line: string | RegExp][] = [
    [[], "rowlock race: Missing required argument 'file'. See `rowlock race --help`.\n"],
    [['nowhere.ts'], 'rowlock race: nowhere.ts is not there.\n'],
    [['.'], 'rowlock race: . is not there.\n'],
    [[PLAIN, '--requests', '1.5'], /^rowlock race: Option '--requests <n>' argument '1\.5' is invalid\. It must be a whole number\. See/],
    [[PLAIN, '--input', '[1]'], /^rowlock race: .* It must be a JSON object, such as/],
    [[PLAIN, '--processes', '65'], 'rowlock race: Option `processes` must be an integer from 1 to 64; 65 was given.\n'],
    [[PLAIN, '--requests', '2', '--expect', '3'], /^rowlock race: Option `expect` must be a whole number from 0 to 2, the requests; 3 was/],
    [[PLAIN, '--database', 'mysql://a:s3cret@b/c'], /^rowlock race: Option `--database` must be a URL that begins with postgresql:\/\//],
    [[PLAIN, '--no-database'], /exports no actor `actor`: write `export const actor = defineRaceActor\(\{ … \}\)`, or name another/],
    [[PLAIN, '--no-database', '--export', 'number'], /exports no actor `number`/],
  ]
  for (const [args, line] of wrong) {
    const { code, stderr } = await runCli(['race', ...args])
    expect({ args, code }).toEqual({ args, code: 2 })
    expect(stderr).not.toContain('s3cret')
    if (typeof line === 'string') expect(stderr).toBe(line)
    else expect(stderr).toMatch(line)
  }
})
