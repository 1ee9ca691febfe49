import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eraseScreen as ERASE_SCREEN } from 'ansi-escapes'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { useDatabase } from '../support/database.js'
import { cliProcess, isAlive } from '../support/run-cli.js'
import { createSessions, type Session } from '../support/sessions.js'
import { hasTmux, startTerminal, type Terminal } from '../support/terminal.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import { waitUntil } from '../support/wait-until.js'

// `rowlock locks --watch` in a real terminal: that of tmux, which draws what a person would see.

const NO_TMUX = 'There is no tmux to have a terminal from.'
const TIME_LIMIT = { timeout: 120_000 }
const ROW = 'SELECT 1 FROM "Company" WHERE id = 1 FOR NO KEY UPDATE'
const SIZE = { width: 100, height: 30 }
const NOBODY = /^Nobody waits for a lock\.$/m

const tmux = hasTmux()
const database = useDatabase()
const sessions = createSessions(
  () => database.url,
  () => database.sql,
)
let terminal: Terminal | undefined

beforeAll(async () => {
  await database.sql`INSERT INTO "Company" (id, name) VALUES (1, 'Acme')`
})
beforeEach((context) => context.skip(!tmux, NO_TMUX))
afterEach(async () => {
  await terminal?.end()
  terminal = undefined
  await sessions.end()
})

interface WatchOptions {
  readonly size?: { readonly width: number; readonly height: number }
  readonly env?: Readonly<Record<string, string>>
}

const watch = (options?: WatchOptions): Promise<Terminal> => locks(['--watch'], options)

async function locks(args: readonly string[], { size = SIZE, env = {} }: WatchOptions = {}): Promise<Terminal> {
  const { command, cwd, env: cliEnv } = await cliProcess(['locks', ...args])
  // The terminal has its own word on some of these, such as TERM.
  const withEnv = ['env', ...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...command]
  terminal = await startTerminal({ command: withEnv, cwd, env: { ...cliEnv, DATABASE_URL: database.url }, ...size })
  return terminal
}

async function block(): Promise<{ holder: Session; waiter: Session }> {
  const holder = await sessions.begin({ name: 'web rowlock:checkout' })
  await holder.run(ROW)
  const waiter = await sessions.begin({ name: 'worker' })
  await waiter.wait(ROW)
  return { holder, waiter }
}

/** The terminal as it was before: its own screen, with the cursor, and keys that are echoed line by line. */
async function expectRestored(given: Terminal, exitCode: number): Promise<string> {
  const screen = await given.waitFor(/^ended with \d+$[^]*icanon[^]* -?echo /m)
  expect(screen).toMatch(/^before it/)
  expect(screen).toContain(`ended with ${exitCode}\n`)
  expect(screen).not.toContain(' · every 1 s')
  expect(screen).toMatch(/ icanon .* echo /s)
  expect(await given.ask('#{alternate_on} #{cursor_flag}')).toBe('0 1')
  return screen
}

const isWaiting = async ({ pid }: Session): Promise<boolean> =>
  (await database.sql`SELECT FROM pg_locks WHERE pid = ${pid} AND NOT granted`).length > 0

test('the tree is on a screen of its own, under a header without password and over the keys', TIME_LIMIT, async () => {
  const { holder, waiter } = await block()
  const given = await watch()
  const screen = await given.waitFor(new RegExp(`└─ ${waiter.pid} worker`))
  const rows = await given.read()
  expect(rows).toHaveLength(SIZE.height)
  const { pathname, port, password } = new URL(database.url)
  expect(rows[0]).toMatch(new RegExp(`^${pathname.slice(1)} on \\S+:${port} · \\d\\d:\\d\\d:\\d\\d · every 1 s$`))
  expect(screen).not.toContain(password || 'no password')
  expect(rows[1]).toMatch(/^1 session waits for a lock, the longest for /)
  expect(rows[3]).toMatch(new RegExp(`^> ${holder.pid} checkout · idle in transaction · transaction of `))
  expect(rows[4]).toMatch(new RegExp(`^  └─ ${waiter.pid} worker · waits .* for Company id = 1 forNoKeyUpdate`))
  expect(rows.at(-1)).toBe('↑ ↓ select  Enter statement  c cancel  p pause  ? help  q quit')
  expect(await given.ask('#{alternate_on} #{cursor_flag}')).toBe('1 0')
  await given.press('q')
  await expectRestored(given, 0)
})

test('it is drawn anew for another size, and what is wider is cut', TIME_LIMIT, async () => {
  const { waiter } = await block()
  const given = await watch()
  await given.waitFor(new RegExp(`└─ ${waiter.pid} worker`))
  await given.resize(60, 12)
  await given.waitFor((screen) => screen.split('\n').length === 12 && screen.includes('…'))
  const rows = await given.read()
  expect(rows[4]).toMatch(/^ {2}└─ \d+ worker · waits .*…$/)
  expect(rows[4]).toHaveLength(60)
  expect(rows.at(-1)).toMatch(/^↑ ↓ select {2}Enter statement .*…$/)
  await given.resize(140, 20)
  await given.waitFor(/forNoKeyUpdate · transaction of .* · SELECT Company WHERE id = 1 FOR NO KEY UPDATE$/m)
})

test('a wait is yellow, and red when it has gone on for long; the colours are left out where they are not wanted', TIME_LIMIT, async () => {
  const { waiter } = await block()
  const given = await watch()
  const colorOf = async () => {
    const row = (await given.read(true)).find((text) => text.includes(String(waiter.pid)))
    // eslint-disable-next-line no-control-regex
    return /\u001B\[(\d+)m(?=waits)/.exec(row ?? '')?.[1]
  }
  for (const color of ['33', '31']) {
    await waitUntil(`the wait has colour ${color}`, async () => ((await colorOf()) === color ? true : undefined), { timeout: 20_000 })
  }
  await given.end()
  const plain = await watch({ env: { NO_COLOR: '1' } })
  await plain.waitFor(new RegExp(`└─ ${waiter.pid} worker`))
  expect((await plain.read(true)).join('\n')).not.toContain('\u001B')
})

test('paused, it stands still until it is told to go on', TIME_LIMIT, async () => {
  const { waiter } = await block()
  const given = await watch()
  await given.waitFor(new RegExp(`└─ ${waiter.pid} worker`))
  await given.press('Space')
  const frozen = await given.waitFor(/^paused · /)
  await waiter.cancel()
  // Another watch, which is not paused, has seen meanwhile that the wait is over.
  const { command, cwd, env } = await cliProcess(['locks', '--watch'])
  const other = await startTerminal({ command, cwd, env: { ...env, DATABASE_URL: database.url }, ...SIZE })
  try {
    await other.waitFor(NOBODY)
  } finally {
    await other.end()
  }
  expect((await given.read()).join('\n')).toBe(frozen)
  await given.press('p')
  await given.waitFor(NOBODY)
})

test('a waiter is cancelled after a question, and nobody else', TIME_LIMIT, async () => {
  const { holder, waiter } = await block()
  const given = await watch()
  await given.waitFor(new RegExp(`> ${holder.pid} checkout`))
  await given.press('c')
  await given.waitFor(new RegExp(`^${holder.pid} checkout waits for no lock: only who waits can be cancelled\\.$`, 'm'))
  await given.press('Down')
  await given.waitFor(new RegExp(`> └─ ${waiter.pid} worker`))
  const question = new RegExp(`^Cancel the statement of ${waiter.pid} worker, which waits for Company id = 1\\? y/n$`, 'm')

  await given.press('c')
  await given.waitFor(question)
  await given.press('n')
  await given.waitFor(/^Nothing was cancelled\.$/m)
  expect(await isWaiting(waiter)).toBe(true)

  await given.press('c')
  await given.waitFor(question)
  await given.press('y')
  await given.waitFor(new RegExp(`^Cancelled the statement of ${waiter.pid} worker`, 'm'))
  await expect(waiter.outcome()).rejects.toMatchObject({ code: '57014' })
  expect(await isWaiting(waiter)).toBe(false)
  await given.waitFor(NOBODY)
})

test('a question about a wait that is over is withdrawn, and a late yes does nothing', TIME_LIMIT, async () => {
  const { holder, waiter } = await block()
  const given = await watch()
  await given.waitFor(new RegExp(`> ${holder.pid} checkout`))
  // Paused, it does not notice by itself.
  await given.press('Down', 'p', 'c')
  await given.waitFor(/y\/n$/m)
  await holder.run('COMMIT')
  await waiter.outcome()
  await given.press('y')
  await given.waitFor(new RegExp(`^Session ${waiter.pid} no longer waits for that lock, and was left alone\\.$`, 'm'))
  expect(await waiter.run('SELECT 1 AS one')).toMatchObject([{ one: 1 }])
})

test('Enter shows the whole statement, and ? the keys', TIME_LIMIT, async () => {
  const holder = await sessions.begin({ name: 'web' })
  await holder.run(ROW)
  const waiter = await sessions.begin({ name: 'worker' })
  await waiter.wait(`${ROW} /* ${'a long comment '.repeat(20)} the end */`)
  const given = await watch()
  await given.waitFor(new RegExp(`└─ ${waiter.pid} worker`))
  expect((await given.read()).join('\n')).not.toContain('the end */')
  await given.press('j', 'Enter')
  const screen = await given.waitFor(/the end \*\//)
  expect(screen).toContain(`behind ${holder.pid}`)
  expect(screen).toContain('SELECT 1 FROM "Company" WHERE id = 1 FOR NO KEY UPDATE')
  await given.press('?')
  await given.waitFor(/^c +cancels the statement of the selected session/m)
  await given.press('Escape')
  await given.waitFor(new RegExp(`> └─ ${waiter.pid} worker`))
})

test('a queue that is longer than the screen scrolls with the selected session', TIME_LIMIT, async () => {
  const holder = await sessions.begin({ name: 'web' })
  await holder.run(ROW)
  const waiters: Session[] = []
  for (let place = 0; place < 12; place++) {
    const waiter = await sessions.begin({ name: `worker-${place}` })
    await waiter.wait(ROW)
    waiters.push(waiter)
  }
  const given = await watch({ size: { width: 80, height: 10 } })
  await given.waitFor(new RegExp(`> ${holder.pid} web`))
  expect((await given.read()).join('\n')).not.toContain(`worker-11`)
  await given.press('PageDown', 'PageDown')
  const screen = await given.waitFor(/^> .*worker-11/m)
  expect(screen).not.toContain(`${holder.pid} web`)
  expect(screen).toMatch(/q quit$/)
})

test.each<[name: string, exitCode: number, end: (given: Terminal) => Promise<unknown>]>([
  ['Ctrl-C', 130, (given) => given.press('C-c')],
  ['SIGTERM', 143, async (given) => process.kill(await given.pid(), 'SIGTERM')],
])('%s ends it with %i and gives the terminal back', TIME_LIMIT, async (_, exitCode, end) => {
  const given = await watch()
  await given.waitFor(NOBODY)
  await end(given)
  await expectRestored(given, exitCode)
})

test('an error that nobody expects gives the terminal back and is there to be read', TIME_LIMIT, async () => {
  const fail = `process.on('SIGUSR2', () => { throw new Error('not expected') })`
  const given = await watch({ env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(fail)}` } })
  await given.waitFor(NOBODY)
  process.kill(await given.pid(), 'SIGUSR2')
  expect(await expectRestored(given, 1)).toContain('Error: not expected')
})

test('a terminal that is closed takes the watch with it', TIME_LIMIT, async () => {
  const given = await watch()
  await given.waitFor(NOBODY)
  const pid = await given.pid()
  await given.end()
  await waitUntil('the process is gone', async () => {
    await database.sql`SELECT pg_sleep(0.01)`
    return isAlive(pid) ? undefined : true
  })
})

test('a database that is not reached is said to be, until it is again', TIME_LIMIT, async () => {
  await using proxy = await startTcpProxy(database.url)
  const given = await watch({ env: { DATABASE_URL: proxy.url } })
  await given.waitFor(NOBODY)
  proxy.fate = () => 'cut'
  await given.waitFor(/^Not live: .*CONNECTION_CLOSED/m)
  proxy.fate = () => 'pass'
  await given.waitFor((screen) => NOBODY.test(screen) && !screen.includes('Not live'))
  proxy.fate = () => 'swallow'
  await given.waitFor(/^Not live: no answer for 3\.\d s$/m)
  await given.press('q')
  await expectRestored(given, 0)
})

test('of what has not changed nothing is drawn again', TIME_LIMIT, async () => {
  const { waiter } = await block()
  const given = await watch()
  await given.waitFor(new RegExp(`└─ ${waiter.pid} worker`))
  const { cwd } = await cliProcess([])
  const file = join(cwd, 'recorded')
  await given.recordTo(file)
  const recorded = await waitUntil('the wait was drawn three times', async () => {
    await database.sql`SELECT pg_sleep(0.02)`
    const text = await readFile(file, 'utf8').catch(() => '')
    return text.split(String(waiter.pid)).length > 3 ? text : undefined
  })
  expect(recorded).not.toContain('quit')
  expect(recorded).not.toContain(ERASE_SCREEN)
})

test('a terminal that cannot be drawn on gets plain lines', TIME_LIMIT, async () => {
  const given = await watch({ env: { TERM: 'dumb' } })
  await given.waitFor(/^Nobody waits for a lock\.\nNobody/m)
  expect(await given.ask('#{alternate_on}')).toBe('0')
})

test('without --watch the tree has its colours too, and stays on the screen', TIME_LIMIT, async () => {
  const { holder } = await block()
  const given = await locks([])
  await given.waitFor(/^ended with 0$/m)
  expect((await given.read(true)).join('\n')).toMatch(new RegExp(`\u001B\\[1m\u001B\\[35m${holder.pid} checkout\u001B\\[0m`))
})

test('--cancel asks, too', TIME_LIMIT, async () => {
  const { waiter } = await block()
  const question = new RegExp(`^Cancel the statement of ${waiter.pid} worker, which waits for Company id = 1\\? \\[y/N\\]`, 'm')
  const refused = await locks(['--cancel', String(waiter.pid)])
  await refused.waitFor(question)
  await refused.press('n', 'Enter')
  await refused.waitFor(/^Nothing was cancelled\.\nended with 0$/m)
  expect(await isWaiting(waiter)).toBe(true)
  await refused.end()
  const confirmed = await locks(['--cancel', String(waiter.pid)])
  await confirmed.waitFor(question)
  await confirmed.press('y', 'Enter')
  await confirmed.waitFor(new RegExp(`^Cancelled the statement of ${waiter.pid} worker.*\nended with 0$`, 'm'))
  await expect(waiter.outcome()).rejects.toMatchObject({ code: '57014' })
})
