import { InvalidOptionError, rowLocks } from 'rowlock'
import { explore, startDatabase } from 'rowlock/testing'
import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { databaseName, withDatabaseName } from '../../../src/harness/database-url.js'
import { scratchMark } from '../../../src/harness/scratch-mark.js'
import { withConnection } from '../../../src/harness/with-connection.js'
import { useDatabase } from '../../support/database.js'
import { rejectionOf } from '../../support/rejections.js'

const database = useDatabase()
const LOOK_ALIKE = 'rowlock_0123456789ab'
const OTHER_NAMES = ['production', LOOK_ALIKE, 'rowlock_prod', 'xrowlock_0123456789ab', 'rowlock_0123456789ab.prod']

const admin = (statement: string) => withConnection(inject('template').adminUrl, (sql) => sql.unsafe(statement))

beforeEach(async () => {
  for (const name of OTHER_NAMES) {
    await admin(`CREATE DATABASE "${name}"`)
    await withConnection(withDatabaseName(database.url, name), (sql) => sql.unsafe('CREATE TABLE kept AS SELECT 1 AS id'))
  }
})

afterEach(async () => {
  vi.unstubAllEnvs()
  for (const name of [...OTHER_NAMES, 'rowlock_ba9876543210']) await admin(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`)
})

/** The rows of a table that no schedule starts with: an exploration that ran would have written, and put them away. */
const setups: string[] = []
const exploreIn = async (choice: unknown) => {
  setups.length = 0
  return explore({
    client: (adapter) => new PrismaClient({ adapter }).$extends(rowLocks()),
    database: choice as string,
    setup: () => setups.push('called'),
    actors: { first: async () => undefined },
  })
}

async function expectRefused(choice: unknown): Promise<Error> {
  const error = (await rejectionOf(exploreIn(choice))) as Error
  expect(error).toMatchObject({ code: expect.stringMatching(/^(INVALID_OPTION|DATABASE_UNAVAILABLE)$/) as string })
  expect(setups).toEqual([])
  return error
}

const on = (name: string) => withDatabaseName(database.url, name)

test('a database of startDatabase and its clones are explored', async () => {
  expect(await exploreIn(database.url)).toMatchObject({ actors: ['first'] })
  expect(setups).toEqual(['called'])
})

test.each(OTHER_NAMES)('a database that is called %s is refused, as startDatabase has not marked it', async (name) => {
  expect(await expectRefused(on(name))).toBeInstanceOf(InvalidOptionError)
})

test("a database that bears another one's mark, or says something of that kind, is refused", async () => {
  for (const comment of [scratchMark('rowlock_ba9876543210'), scratchMark('production'), 'Made by rowlock', 'rowlock', '']) {
    await admin(`COMMENT ON DATABASE "${LOOK_ALIKE}" IS '${comment}'`)
    expect(await expectRefused(on(LOOK_ALIKE))).toBeInstanceOf(InvalidOptionError)
  }
})

test('a scratch database that was renamed has become somebody’s, and is refused', async () => {
  await admin(`COMMENT ON DATABASE "${LOOK_ALIKE}" IS '${scratchMark(LOOK_ALIKE)}'`)
  await admin(`ALTER DATABASE "${LOOK_ALIKE}" RENAME TO "rowlock_ba9876543210"`)
  expect(await expectRefused(on('rowlock_ba9876543210'))).toBeInstanceOf(InvalidOptionError)
})

test.each(['database=production', 'db=production', 'dbname=production', 'host=production', 'user=nobody&database=production'])(
  'the name of a scratch database does not get %s past the guard',
  async (parameters) => {
    const url = `${database.url}${database.url.includes('?') ? '&' : '?'}${parameters}`
    const outcome = await exploreIn(url).catch((error: unknown) => error)
    // What no driver heeds may be there; what leads elsewhere may not.
    if (outcome instanceof Error)
      expect(outcome).toMatchObject({ code: expect.stringMatching(/^(INVALID_OPTION|DATABASE_UNAVAILABLE)$/) as string })
    for (const name of OTHER_NAMES) {
      const [schemas] = await withConnection(
        on(name),
        (sql) => sql<[{ copies: number }]>`SELECT count(*)::int AS copies FROM pg_namespace WHERE nspname LIKE 'rowlock%'`,
      )
      expect(schemas.copies).toBe(0)
    }
  },
)

test('the environment does not lead a URL without a host or a name to another database', async () => {
  const { hostname, port, username, password } = new URL(database.url)
  for (const [name, value] of Object.entries({
    PGHOST: hostname,
    PGPORT: port,
    PGUSER: username,
    PGPASSWORD: password,
    PGDATABASE: 'production',
    PGSERVICE: 'production',
  })) {
    vi.stubEnv(name, value)
  }
  for (const url of [
    'postgresql://',
    'postgresql:///',
    'postgresql:///?host=127.0.0.1',
    `postgresql:///${LOOK_ALIKE}`,
    'postgresql:///production',
  ])
    await expectRefused(url)
})

test('a parameter that leads the actors to another server than the explorer is found out', { timeout: 60_000 }, async () => {
  vi.stubEnv('DATABASE_URL', '')
  vi.stubEnv('ROWLOCK_DATABASE', '')
  await using production = await startDatabase()
  const { hostname, port, username, password } = new URL(production.url)
  // A restored copy, say: the same name, and without a mark.
  const name = databaseName(database.url)
  await withConnection(production.url, (sql) => sql.unsafe(`CREATE DATABASE "${name}"`))
  const url = new URL(database.url)
  for (const [parameter, value] of Object.entries({ host: hostname, port, user: username, password }))
    url.searchParams.set(parameter, value)
  await expectRefused(url.href)
})

test('a choice is read once, and only `allow: true` allows', async () => {
  let asked = 0
  const turning = {
    get url() {
      return asked++ === 0 ? database.url : on('production')
    },
  }
  await exploreIn(turning)
  expect(asked).toBe(1)
  for (const allow of ['true', 'false', 1, {}, [], null]) {
    await expectRefused({ url: on('production'), allow })
  }
  await expectRefused({ url: on('production'), allow: false })
  await expectRefused({ url: on('production'), allowed: true })
})

test.each([
  'postgresql://me:secret@127.0.0.1:1/rowlock_0123456789ab',
  'postgresql://me:secret@127.0.0.1:1/%zz',
  'mysql://me:secret@h/x',
  'me:secret@h',
])('a refusal does not show the password of %s', async (url) => {
  const error = await expectRefused(url)
  for (let at: unknown = error; at instanceof Error; at = at.cause) expect(`${at.message} ${JSON.stringify(at)}`).not.toContain('secret')
})
