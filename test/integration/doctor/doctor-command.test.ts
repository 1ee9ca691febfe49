import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { startDatabase } from '../../../src/harness/database.js'
import { useDatabase } from '../../support/database.js'
import { writeProject } from '../../support/doctor.js'
import { runCli } from '../../support/run-cli.js'

const database = useDatabase()
const SLOW = 90_000
const root = fileURLToPath(new URL('../../..', import.meta.url))
const SECRET = 'gu3ssed-by-nobody'

interface Report {
  readonly ok: boolean
  readonly counts: Readonly<Record<string, number>>
  readonly findings: readonly { check: string; level: string; what: string; todo?: string; docs: string }[]
}

const CLIENT = `
  import { PrismaPg } from '@prisma/adapter-pg'
  import { lockable, rowLocks } from 'rowlock'
  import { PrismaClient } from './generated/client.js'
  const adapter = new PrismaPg({ connectionString: process.env.DATABASE_URL })
  // As a server that is started where the client is made.
  setInterval(() => undefined, 60_000)
  export const prisma = new PrismaClient({ adapter: lockable(adapter) }).$extends(rowLocks())
  export const plain = new PrismaClient({ adapter })`

/** A project as its owner has it, with a client and a source. */
async function makeProject(files: Readonly<Record<string, string>> = {}) {
  const project = await writeProject({ 'src/prisma.ts': CLIENT, ...files })
  await symlink(join(root, 'node_modules'), join(project.path, 'node_modules'))
  await symlink(join(root, 'src/generated/prisma'), join(project.path, 'src/generated'))
  return project
}

const LOCK = `export const pay = (tx: any) => tx.user.findFirst({ where: { name: 'Ada' }, lock: 'forUpdate' })`

test('a project that is well ends with 0, although its file keeps a timer', { timeout: SLOW }, async () => {
  await using project = await makeProject({ 'src/pay.ts': LOCK.replace(`name: 'Ada'`, 'id: 1').replace('forUpdate', 'forNoKeyUpdate') })
  await using durable = await startDatabase({ durable: true, migrations: join(root, 'prisma/migrations') })
  const { code, stdout, stderr } = await runCli(['doctor', join(project.path, 'src/prisma.ts'), '--source', project.path], {
    env: { DATABASE_URL: durable.url, FORCE_COLOR: '1' },
  })
  expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: '' })
  expect(stdout).not.toMatch(/^(?:problem|warning)/m)
  expect(stdout).not.toContain('\u001B')
  expect(stdout).toMatch(/^note {5}lock-timeout: /m)
  expect(stdout).toMatch(/\n2 notes; 15 as they should be\.\n$/)
})

test('a problem ends with 1, and each finding says what to do', { timeout: SLOW }, async () => {
  await using project = await makeProject({ 'src/pay.ts': LOCK, 'src/plain.ts': `export { plain as default } from './prisma.js'` })
  const args = ['doctor', join(project.path, 'src/plain.ts'), '--source', project.path, '--json']
  const { code, stdout, stderr } = await runCli(args, { env: { DATABASE_URL: database.url } })
  expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
  const { ok, counts, findings } = JSON.parse(stdout) as Report
  expect(ok).toBe(false)
  expect(Object.values(counts).reduce((sum, count) => sum + count)).toBe(findings.length)
  const found = findings.map(({ check, level }) => `${level} ${check}`)
  const planted = ['problem adapter', 'problem extension', 'warning parent-locks', 'warning locked-columns', 'ok foreign-key-indexes']
  expect(found).toEqual(expect.arrayContaining(planted))
  for (const { level, todo } of findings) expect(todo !== undefined, level).toBe(level !== 'ok')
})

test('without a file the database and the source are looked at, by read-only transactions', { timeout: SLOW }, async () => {
  await using project = await writeProject({ 'src/pay.ts': LOCK })
  const url = new URL(database.url)
  url.searchParams.set('options', '-c default_transaction_read_only=on')
  const args = ['doctor', '--source', project.path, '--schema', join(root, 'prisma/schema.prisma'), '--json']
  const { stdout, stderr } = await runCli(args, { env: { DATABASE_URL: url.href } })
  expect(stderr).toBe('')
  const { findings } = JSON.parse(stdout) as Report
  const found = findings.map(({ check, level }) => `${level} ${check}`)
  expect(found).toEqual(expect.arrayContaining(['note client', 'problem writable', 'warning parent-locks', 'warning locked-columns']))
  const { what } = findings.find(({ check }) => check === 'client')!
  expect(what).toContain('Not checked: adapter, extension, prisma-version, query-timeout, pool-size.')
})

test('without anything it says what it was not given, and finds no problem', { timeout: SLOW }, async () => {
  await using project = await writeProject({})
  const { code, stdout } = await runCli(['doctor', '--source', project.path])
  expect(code).toBe(0)
  expect(stdout).toMatch(
    /^note {5}client: .*\n[^]*^note {5}database: No database was named\.[^]*^note {5}schema: No Prisma schema was found\./m,
  )
})

test('a database that cannot be asked is a problem, and no password is printed', { timeout: SLOW }, async () => {
  await using project = await writeProject({})
  const unreachable = `postgresql://me:${SECRET}@127.0.0.1:1/x`
  const wrong = new URL(database.url)
  wrong.password = SECRET
  wrong.username = 'nobody'
  for (const url of [unreachable, wrong.href]) {
    const { code, stdout, stderr } = await runCli(['doctor', '--source', project.path, '--database', url])
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
    expect(stdout).toMatch(/^problem {2}database: The database could not be asked: /m)
    expect(stdout).not.toContain(SECRET)
  }
})

test('what cannot be looked at ends with 2, and says why in a line', { timeout: SLOW }, async () => {
  await using project = await writeProject({ 'none.mjs': 'export const prisma = { user: {} }' })
  const none = join(project.path, 'none.mjs')
  const wrong: [args: string[], line: string | RegExp][] = [
    [['nowhere.ts'], 'rowlock doctor: nowhere.ts is not there.\n'],
    [[none], `rowlock doctor: ${none} exports no Prisma client on a driver adapter: write \`export const prisma = …\`.\n`],
    [['--source', 'nowhere'], /^rowlock doctor: Option `--source` must be the path of a folder; "nowhere" was given\.\n$/],
    [['--schema', 'nowhere'], /^rowlock doctor: Option `--schema` must be the path of a Prisma schema/],
    [['--database', `mysql://me:${SECRET}@x/y`], /^rowlock doctor: Option `--database` must be a URL that begins with postgresql:\/\//],
    [['a', 'b'], /^rowlock doctor: Too many arguments/],
  ]
  for (const [args, line] of wrong) {
    const { code, stdout, stderr } = await runCli(['doctor', ...args])
    expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: '' })
    expect(stderr).not.toContain(SECRET)
    if (typeof line === 'string') expect(stderr).toBe(line)
    else expect(stderr).toMatch(line)
  }
})

test('a file that throws ends with 1, and shows where', { timeout: SLOW }, async () => {
  await using project = await writeProject({ 'broken.mjs': `throw new Error('not today')` })
  const { code, stderr } = await runCli(['doctor', join(project.path, 'broken.mjs')])
  expect(code).toBe(1)
  expect(stderr).toMatch(/^rowlock doctor: Error: not today\n\s+at .*broken\.mjs/)
})
