import { afterEach, beforeAll, expect, test } from 'vitest'
import { useDatabase } from '../support/database.js'
import { runCli } from '../support/run-cli.js'
import { createSessions, type Session } from '../support/sessions.js'

const database = useDatabase()
const sessions = createSessions(
  () => database.url,
  () => database.sql,
)
const ROW = 'SELECT 1 FROM "Company" WHERE id = 1 FOR NO KEY UPDATE'
const TIME_LIMIT = { timeout: 60_000 }

let waiter: Session

beforeAll(async () => {
  await database.sql`INSERT INTO "Company" (id, name) VALUES (1, 'Acme')`
})
afterEach(() => sessions.end())

const locks = (...args: string[]) => runCli(['locks', ...args], { env: { DATABASE_URL: database.url } })

async function block(): Promise<Session> {
  const holder = await sessions.begin({ name: 'web rowlock:checkout' })
  await holder.run(ROW)
  waiter = await sessions.begin({ name: 'worker' })
  await waiter.wait(ROW)
  return holder
}

test('it says so when nobody waits', TIME_LIMIT, async () => {
  expect(await locks()).toMatchObject({ code: 0, stdout: 'Nobody waits for a lock.\n', stderr: '' })
})

test('it shows who holds the row by its label, and below it who waits', TIME_LIMIT, async () => {
  const holder = await block()
  const { code, stdout } = await locks()
  expect(code).toBe(0)
  const lines = stdout.split('\n')
  expect(lines[0]).toMatch(/^1 session waits for a lock, the longest for \d/)
  expect(lines[2]).toMatch(new RegExp(`^${holder.pid} checkout · idle in transaction · transaction of `))
  expect(lines[3]).toMatch(new RegExp(`^└─ ${waiter.pid} worker · waits .* for Company id = 1 forNoKeyUpdate · `))
})

test('as JSON it is a tree for programs', TIME_LIMIT, async () => {
  const holder = await block()
  const { roots } = JSON.parse((await locks('--json')).stdout) as { roots: { pid: number; label: string; waiters: object[] }[] }
  expect(roots).toMatchObject([
    { pid: holder.pid, label: 'checkout', waiters: [{ pid: waiter.pid, wait: { target: { kind: 'row', key: { id: 1 } } } }] },
  ])
})

test('a waiter is cancelled, and nobody else is', TIME_LIMIT, async () => {
  const holder = await block()
  expect(await locks('--cancel', String(waiter.pid))).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') as string })
  const refused = { code: 1, stderr: expect.stringContaining('waits for no lock') as string }
  expect(await locks('--cancel', String(holder.pid), '--yes')).toMatchObject(refused)
  expect(await locks('--cancel', String(waiter.pid), '--yes')).toMatchObject({ code: 0, stderr: '' })
  await expect(waiter.outcome()).rejects.toMatchObject({ code: '57014' })
})

test('--watch shows it until Ctrl-C, in a pipe as plain lines', TIME_LIMIT, async () => {
  const interrupt = { at: 'Nobody waits for a lock.\nNobody', signal: 'SIGINT' } as const
  const { code, stdout } = await runCli(['locks', '--watch'], { env: { DATABASE_URL: database.url, FORCE_COLOR: '1' }, interrupt })
  expect(code).toBe(130)
  expect(stdout).toMatch(/^(Nobody waits for a lock\.\n)+$/)
})

test('--watch --json has a line for each time', TIME_LIMIT, async () => {
  const interrupt = { at: '}\n{', signal: 'SIGINT' } as const
  const { code, stdout } = await runCli(['locks', '--watch', '--json'], { env: { DATABASE_URL: database.url }, interrupt })
  expect(code).toBe(130)
  const lines = stdout.trimEnd().split('\n')
  expect(lines.length).toBeGreaterThan(1)
  for (const line of lines) expect(JSON.parse(line)).toMatchObject({ roots: [], deadlocks: [] })
})

test('--serve says where the page is, until Ctrl-C', TIME_LIMIT, async () => {
  const interrupt = { at: 'Ctrl-C ends it', signal: 'SIGINT' } as const
  const { code, stdout } = await runCli(['locks', '--serve'], { env: { DATABASE_URL: database.url }, interrupt })
  expect(code).toBe(130)
  expect(stdout).toMatch(/http:\/\/127\.0\.0\.1:\d+/)
  expect(stdout).not.toContain(new URL(database.url).password || 'no password')
})

test('without a database, and without a server, it says what is wrong, and no password', TIME_LIMIT, async () => {
  expect(await runCli(['locks'])).toMatchObject({ code: 2, stderr: expect.stringContaining('DATABASE_URL') as string })
  const { code, stderr } = await runCli(['locks', '--url', 'postgres://me:secret@127.0.0.1:1/none'])
  expect(code).toBe(1)
  expect(stderr).toMatch(/^rowlock locks: The locks could not be read: /)
  expect(stderr).not.toContain('secret')
})
