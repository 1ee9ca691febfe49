import { PrismaPg } from '@prisma/adapter-pg'
import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { inspect } from 'node:util'
import { directQuery, lockable, rowLocks } from 'rowlock'
import { advisoryLocker, leaseLocker, rowLocker } from 'rowlock/lockers'
import { createWallet, credit } from 'rowlock/repositories'
import { applyMigrations, cloneDatabase, createTemplate, explore, startDatabase } from 'rowlock/testing'
import { afterEach, expect, test, vi } from 'vitest'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { exploreToJson } from '../../../src/report/explore-to-json.js'
import { createClient } from '../../support/client.js'
import { useDatabase } from '../../support/database.js'
import { rejectionOf } from '../../support/rejections.js'
import { runCli } from '../../support/run-cli.js'

const database = useDatabase()
const SECRET = 'gu3ssed-by-nobody'

afterEach(() => vi.unstubAllEnvs())

const wrongUrl = () => {
  const url = new URL(database.url)
  url.password = SECRET
  return url.href
}

/** All that a logger may print of it: to any depth, and what cannot be enumerated of ours but `given`, which is the caller's. */
const loggedOf = (value: unknown) => `${inspect(value, { depth: null, getters: false })} ${String(value)} ${safeJson(value)}`

function safeJson(value: unknown): string {
  const seen = new Set<unknown>()
  return JSON.stringify(value, (_, one: unknown) => {
    if (typeof one === 'bigint') return String(one)
    if (typeof one === 'object' && one !== null) {
      if (seen.has(one)) return undefined
      seen.add(one)
    }
    return one
  })
}

/** The password that works, too. */
function expectNoSecret(value: unknown): void {
  const logged = loggedOf(value)
  expect(logged).not.toContain(SECRET)
  expect(logged).not.toContain(new URL(database.url).password)
}

test('a wrong password is in no error of a client, nor in what caused it', async () => {
  const prisma = new PrismaClient({ adapter: lockable(new PrismaPg({ connectionString: wrongUrl(), max: 1 })) }).$extends(rowLocks())
  const pool = new pg.Pool({ connectionString: wrongUrl(), max: 1 })
  const calls: (() => PromiseLike<unknown>)[] = [
    () => prisma.$transactionWithRetry(async () => 1, { retry: false }),
    () => prisma.user.findMany(),
    () => prisma.user.withLock({ where: { id: 1 } }, async () => 1),
    () => directQuery(prisma, { text: 'SELECT 1', values: [] }),
    () => credit(prisma, { userId: 1, amount: 1 }),
    () => leaseLocker(prisma, { ttl: 1_000 }).acquire('x'),
    () => advisoryLocker(prisma).acquire('x'),
    () => advisoryLocker(pool, { scope: 'session' }).acquire('x'),
  ]
  for (const call of calls) expectNoSecret(await rejectionOf(call()))
  await prisma.$disconnect()
  await pool.end()
})

test('a wrong password is in no error of the harness', async () => {
  const url = wrongUrl()
  vi.stubEnv('DATABASE_URL', url)
  const calls = [
    () => startDatabase(),
    () => createTemplate(url, { migrations: 'prisma/migrations' }),
    () => cloneDatabase({ adminUrl: url, name: 'x' }),
    () => applyMigrations(url, 'prisma/migrations'),
    () => createTemplate(`postgresql://me:${SECRET}@[::1/x`, { migrations: 'prisma/migrations' }),
    () => cloneDatabase({ adminUrl: `nonsense ${SECRET}`, name: 'x' }),
    () => applyMigrations(`postgresql://me:${SECRET}@%zz/x`, 'prisma/migrations'),
  ]
  for (const call of calls) expectNoSecret(await rejectionOf(call()))
})

test('a client or pool that is passed for something else is not logged with the error', async () => {
  const adapter = new PrismaPg({ connectionString: wrongUrl() })
  const plain = new PrismaClient({ adapter })
  const calls: (() => unknown)[] = [
    () => createWallet(plain as never),
    () => rowLocker(plain as never, 'user' as never),
    () => leaseLocker(adapter as never, { ttl: 1_000 }),
    () => lockable({ config: { password: SECRET } } as never),
  ]
  for (const call of calls) expectNoSecret(await rejectionOf(Promise.resolve().then(call)))
})

test('what rowlock makes shows no password', async () => {
  const { prisma, pool } = createClient(database)
  const factory = lockable(new PrismaPg({ connectionString: wrongUrl() }), { connection: wrongUrl() })
  const connected = await factory.connect()
  const made = [
    factory,
    connected,
    advisoryLocker(pool, { scope: 'session' }),
    leaseLocker(prisma, { ttl: 1_000 }),
    rowLocker(prisma, 'user'),
    createWallet(prisma, {}),
  ]
  // Of the adapter itself only what `lockable` shows.
  for (const one of made) expectNoSecret(one)
  await using held = await advisoryLocker(pool, { scope: 'session' }).acquire('x')
  expectNoSecret(held)
  await connected.dispose()
})

test('no report and no token of the explorer holds the URL', async () => {
  const report = await explore({
    client: (adapter) => new PrismaClient({ adapter }).$extends(rowLocks()),
    database: database.url,
    setup: async () => undefined,
    actors: { first: async (prisma) => prisma.company.create({ data: { name: 'x' } }), second: async (prisma) => prisma.company.count() },
    invariant: () => false,
  })
  const { password, host } = new URL(database.url)
  for (const text of [
    report.text(),
    report.html(),
    exploreToJson(report),
    'token' in report ? Buffer.from(report.token.split('.')[1]!, 'base64url').toString() : '',
  ]) {
    expect(text).not.toContain(password)
    expect(text).not.toContain(host)
  }
})

test.each([['demo'], ['explore', 'not-there.ts']])('`rowlock %s` prints no password, and no stack', async (...args) => {
  const { code, stdout, stderr } = await runCli(args, { env: { DATABASE_URL: wrongUrl() } })
  expect(code).not.toBe(0)
  expectNoSecret(stdout + stderr)
  expect(stderr).not.toMatch(/^\s+at /m)
})

test('the package runs nothing when it is installed', async () => {
  const { scripts } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    scripts: Record<string, string>
  }
  expect(
    Object.keys(scripts).filter((name) => /^(?:pre|post)?install$|^prepare$|^preprepare$|^postprepare$|^dependencies$/.test(name)),
  ).toEqual([])
})
