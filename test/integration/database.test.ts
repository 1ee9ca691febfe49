import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest'

import { cloneDatabase, createTemplate, startDatabase, type Database } from 'rowlock/testing'
import { databaseName } from '../../src/harness/database-url.js'
import * as freePort from '../../src/harness/free-port.js'
import { withConnection } from '../../src/harness/with-connection.js'
import { isListening, runDatabaseProcess, waitUntilGone } from '../support/run-database-process.js'
import { waitUntil } from '../support/wait-until.js'

const migrations = fileURLToPath(new URL('../../prisma/migrations', import.meta.url))

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

function useSource(databaseUrl: string, source = ''): void {
  vi.stubEnv('DATABASE_URL', databaseUrl)
  vi.stubEnv('ROWLOCK_DATABASE', source)
}

async function setting(database: Database, name: string): Promise<string> {
  return withConnection(database.url, async (sql) => {
    const [row] = await sql<[{ value: string }]>`SELECT current_setting(${name}) AS value`
    return row.value
  })
}

async function databasesOf(serverUrl: string): Promise<string[]> {
  const rows = await withConnection(serverUrl, (sql) => sql<{ datname: string }[]>`SELECT datname FROM pg_database`)
  return rows.map(({ datname }) => datname)
}

describe('an embedded database', () => {
  test('is PostgreSQL 18 on a port of 127.0.0.1 other than 5432, and gone after stop', async () => {
    useSource('')
    const database = await startDatabase()
    const { hostname, port, protocol } = new URL(database.url)
    expect({ hostname, protocol, source: database.source }).toEqual({
      hostname: '127.0.0.1',
      protocol: 'postgresql:',
      source: 'embedded',
    })
    expect(port).not.toBe('5432')
    expect(await setting(database, 'server_version')).toMatch(/^18\./)
    await database.stop()
    expect(await isListening(database.url)).toBe(false)
    await expect(database.stop()).resolves.toBeUndefined()
  })

  test('listens on no other address of the machine', async () => {
    useSource('')
    await using database = await startDatabase()
    const others = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ family, internal }) => family === 'IPv4' && !internal)
    for (const { address } of others) {
      const url = new URL(database.url)
      url.hostname = address
      expect(await isListening(url.href)).toBe(false)
    }
    expect(await setting(database, 'unix_socket_directories')).toBe('')
  })

  test('refuses a wrong password', async () => {
    useSource('')
    await using database = await startDatabase()
    const url = new URL(database.url)
    url.password = 'guessed'
    await expect(withConnection(url.href, (sql) => sql`SELECT 1`)).rejects.toMatchObject({ code: '28P01' })
  })

  test('starts twice at once on one machine', async () => {
    useSource('')
    const [one, other] = await Promise.all([startDatabase(), startDatabase()])
    await using _one = one
    await using _other = other
    expect(new URL(one.url).port).not.toBe(new URL(other.url).port)
  })

  test('takes another port when somebody takes the first in between', async () => {
    useSource('')
    const occupier = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => occupier.once('listening', resolve))
    const { port } = occupier.address() as { port: number }
    const findFreePort = vi.spyOn(freePort, 'findFreePort').mockResolvedValueOnce(port)
    try {
      await using database = await startDatabase()
      expect(findFreePort).toHaveBeenCalledTimes(2)
      expect(new URL(database.url).port).not.toBe(String(port))
    } finally {
      occupier.close()
    }
  })

  test('does not flush commits by default, and does when it is to be durable', async () => {
    useSource('')
    await using fast = await startDatabase()
    await using durable = await startDatabase({ durable: true })
    expect([await setting(fast, 'fsync'), await setting(fast, 'synchronous_commit')]).toEqual(['off', 'off'])
    expect([await setting(durable, 'fsync'), await setting(durable, 'synchronous_commit')]).toEqual(['on', 'on'])
  })

  test('has the settings asked for, applies the migrations and is ready for a template', async () => {
    useSource('')
    await using database = await startDatabase({ migrations, settings: { deadlock_timeout: '17ms' } })
    expect(await setting(database, 'deadlock_timeout')).toBe('17ms')
    const wallets = await withConnection(database.url, (sql) => sql`SELECT * FROM "Wallet"`)
    expect(wallets).toHaveLength(0)
  })

  test("says in the server's own words why a setting keeps it from starting, and leaves nothing", async () => {
    useSource('')
    await expect(startDatabase({ settings: { max_connections: 'many' } })).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringContaining('max_connections') as string,
    })
  })
})

describe('nothing of an embedded database is left after', () => {
  const endings = {
    'the program has run to its end': { ending: 'return' },
    'process.exit': { ending: 'exit' },
    'an uncaught exception': { ending: 'throw' },
    'Ctrl-C, which signals the whole process group': { ending: 'wait', signal: 'SIGINT', group: true },
    SIGTERM: { ending: 'wait', signal: 'SIGTERM' },
    SIGHUP: { ending: 'wait', signal: 'SIGHUP', group: true },
    'kill -9': { ending: 'wait', signal: 'SIGKILL' },
    'kill -9 of the whole process group': { ending: 'wait', signal: 'SIGKILL', group: true },
  } as const satisfies Record<string, Ending>

  interface Ending {
    ending: 'wait' | 'return' | 'exit' | 'throw'
    signal?: NodeJS.Signals
    group?: boolean
  }

  test.each(Object.entries<Ending>(endings))('%s', async (_title, { ending, signal, group = false }) => {
    await using running = await runDatabaseProcess(ending)
    const url = await running.url()
    if (signal) process.kill(group ? -running.pid : running.pid, signal)
    await running.ended
    await waitUntilGone(running, url)
  })

  test('kill -9 in the middle of the start', async () => {
    await using running = await runDatabaseProcess('wait')
    await waitUntil('the data folder exists', async () => ((await running.files()).length > 0 ? true : undefined))
    process.kill(running.pid, 'SIGKILL')
    await running.ended
    await waitUntilGone(running)
  })

  test('the end of a program with sessions open and a transaction running', async () => {
    await using running = await runDatabaseProcess('wait')
    const url = await running.url()
    const sql = postgres(url, { max: 1, onnotice: () => {} })
    const sleeping = sql`SELECT pg_sleep(600)`.catch((error: unknown) => error)
    await withConnection(url, (probe) =>
      waitUntil('the statement runs', async () => {
        const rows = await probe`SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'`
        return rows.length > 0 ? true : undefined
      }),
    )
    process.kill(running.pid, 'SIGKILL')
    await waitUntilGone(running, url)
    expect(await sleeping).toBeInstanceOf(Error)
    await sql.end({ timeout: 0 })
  })
})

describe('with DATABASE_URL', () => {
  // A server of its own: on the shared one other test files make and drop databases all the time.
  let own: Database
  let server: string

  beforeAll(async () => {
    useSource('')
    own = await startDatabase()
    server = own.url
  })

  afterAll(() => own.stop())

  test('a database of its own is created there, and dropped with its sessions', async () => {
    useSource(server)
    const database = await startDatabase({ migrations })
    expect(database.source).toBe('url')
    expect(databaseName(database.url)).not.toBe(databaseName(server))
    const sql = postgres(database.url, { max: 1, onnotice: () => {} })
    await sql`SELECT 1`
    await database.stop()
    await sql.end({ timeout: 0 })
    expect(await databasesOf(server)).not.toContain(databaseName(database.url))
  })

  test('the database that it names is left as it was', async () => {
    useSource(server)
    const tables = () => withConnection(server, (sql) => sql`SELECT relname FROM pg_stat_user_tables`)
    const before = await tables()
    await using _database = await startDatabase({ migrations })
    expect(await tables()).toEqual(before)
  })

  test('the database that it names need not exist', async () => {
    const missing = new URL(server)
    missing.pathname = '/not_made_yet'
    useSource(missing.href)
    await using database = await startDatabase()
    expect(await setting(database, 'server_version')).toMatch(/^\d/)
  })

  test("parameters that only Prisma understands are no part of the database's URL", async () => {
    useSource(`${server}?schema=public&connection_limit=3&application_name=mine`)
    await using database = await startDatabase()
    expect(await setting(database, 'application_name')).toBe('mine')
    expect(database.url).not.toMatch(/schema|connection_limit/)
  })

  test('settings hold for every session that connects with the URL, and for clones', async () => {
    useSource(server)
    await using database = await startDatabase({ settings: { lock_timeout: '7s', 'rowlock.note': 'a b\\c' } })
    expect(await setting(database, 'lock_timeout')).toBe('7s')
    expect(await setting(database, 'rowlock.note')).toBe('a b\\c')
    await using clone = await cloneDatabase(await createTemplate(database.url, { migrations }))
    expect(clone.url).toContain('lock_timeout')
  })

  test('a setting that only a server start can change is refused and nothing is left', async () => {
    useSource(server)
    const before = await databasesOf(server)
    await expect(startDatabase({ settings: { max_connections: '9' } })).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
    })
    expect((await databasesOf(server)).sort()).toEqual(before.sort())
  })

  test('kill -9 leaves no database behind, nor a clone of it', async () => {
    await using running = await runDatabaseProcess('wait', { DATABASE_URL: server })
    const url = await running.url()
    const template = await createTemplate(url, { migrations })
    await cloneDatabase(template)
    process.kill(running.pid, 'SIGKILL')
    await waitUntil('its databases are dropped', async () => {
      const left = (await databasesOf(server)).filter((name) => name.startsWith(databaseName(url)))
      return left.length === 0 ? true : undefined
    })
  })

  test('a server that does not answer is named in the error, without the password', async () => {
    useSource(`postgresql://me:secret@127.0.0.1:${await freePort.findFreePort()}/app`)
    const error = await startDatabase().catch((thrown: unknown) => thrown as Error)
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', message: expect.stringContaining('127.0.0.1:') as string })
    expect((error as Error).message).not.toContain('secret')
  })

  test('a URL of another database system is refused', async () => {
    useSource('mysql://localhost/app')
    await expect(startDatabase()).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'DATABASE_URL' })
  })
})

describe('options', () => {
  test('ROWLOCK_DATABASE=container without a container engine says what to do', async () => {
    useSource('', 'container')
    vi.stubEnv('DOCKER_HOST', 'tcp://127.0.0.1:1')
    await expect(startDatabase()).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringContaining('Start Docker') as string,
    })
  })

  test.each([
    ['ROWLOCK_DATABASE', () => (useSource('', 'cloud'), startDatabase())],
    ['migrations', () => startDatabase({ migrations: '/no/such/folder' })],
    ['migrations', () => startDatabase({ migrations: 3 as never })],
    ['durable', () => startDatabase({ durable: 'yes' as never })],
    ['settings', () => startDatabase({ settings: 'fsync=off' as never })],
    ['settings', () => startDatabase({ settings: { port: '5432' } })],
    ['settings', () => startDatabase({ settings: { 'a b': 'c' } })],
    ['settings.jit', () => startDatabase({ settings: { jit: true as never } })],
  ])('an invalid %s is refused before anything starts', async (option, start) => {
    useSource('')
    await expect(start()).rejects.toMatchObject({ code: 'INVALID_OPTION', option })
  })
})

describe('a template', () => {
  test('is copied by many at once, and each copy is dropped with its sessions', async () => {
    const template = inject('template')
    const clones = await Promise.all(Array.from({ length: 8 }, () => cloneDatabase(template)))
    const sessions = clones.map(({ url }) => postgres(url, { max: 1, onnotice: () => {} }))
    for (const sql of sessions) expect(await sql`SELECT * FROM "Wallet"`).toHaveLength(0)
    await Promise.all(clones.map((clone) => clone.drop()))
    await Promise.all(sessions.map((sql) => sql.end({ timeout: 0 })))
    const left = await databasesOf(template.adminUrl)
    for (const { url } of clones) expect(left).not.toContain(databaseName(url))
  })

  test('lets nobody connect, which would keep it from being copied', async () => {
    const { adminUrl, name } = inject('template')
    const url = new URL(adminUrl)
    url.pathname = `/${name}`
    await expect(withConnection(url.href, (sql) => sql`SELECT 1`)).rejects.toMatchObject({ code: '55000' })
  })
})
