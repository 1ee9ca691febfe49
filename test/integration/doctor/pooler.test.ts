import { existsSync } from 'node:fs'
import { describe, expect, inject, test } from 'vitest'
import { startPgbouncer, type PoolMode } from '../../../torture/pgbouncer.js'
import type { Facts } from '../../../src/doctor/check.js'
import { databaseFacts, remarksOf } from '../../support/doctor.js'
import { useDatabase } from '../../support/database.js'

const database = useDatabase()
const PGBOUNCER = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/usr/local/bin/pgbouncer', '/opt/homebrew/bin/pgbouncer'].find(existsSync)

test('a connection that leads straight to the server is well', async () => {
  expect(remarksOf('pooler', { database: await databaseFacts(database.url) })).toEqual(['ok: The connection leads straight to the server.'])
})

describe.skipIf(PGBOUNCER === undefined)('behind PgBouncer', () => {
  const through = async (poolMode: PoolMode, poolSize: number) => {
    await using pgbouncer = await startPgbouncer(PGBOUNCER!, inject('template').adminUrl, { poolMode, poolSize })
    return await databaseFacts(pgbouncer.through(database.url))
  }

  test.each([1, 5])('transaction mode is told by sessions that are shared (of %i)', async (poolSize) => {
    const facts = await through('transaction', poolSize)
    expect(facts.pooler).toEqual({ kind: 'proxy', mode: 'transaction', carriesPrepared: expect.any(Boolean) as boolean })
    expect(remarksOf('pooler', { database: facts })[0]).toMatch(/^note: .* in transaction mode: row locks work/)
  })
  test('session mode is told by sessions that are not', async () => {
    const facts = await through('session', 5)
    expect(facts.pooler).toEqual({ kind: 'proxy', mode: 'session', carriesPrepared: true })
    expect(remarksOf('pooler', { database: facts })).toEqual([expect.stringMatching(/^note: .*not seen to share sessions/)])
  })
  test('statement mode is a problem', async () => {
    const facts = await through('statement', 5)
    expect(facts.pooler).toMatchObject({ kind: 'proxy', mode: 'statement' })
    expect(remarksOf('pooler', { database: facts })).toEqual([expect.stringMatching(/^problem: .* in statement mode/)])
  })
})

describe('prepared statements behind a proxy in transaction mode', () => {
  const facts = async (carriesPrepared: boolean | undefined, preparesStatements?: boolean): Promise<Facts> => {
    const of = await databaseFacts(database.url)
    const client = preparesStatements === undefined ? {} : { client: { preparesStatements } as NonNullable<Facts['client']> }
    return { ...client, database: { ...of, pooler: { kind: 'proxy', mode: 'transaction', carriesPrepared } } }
  }
  const problem = expect.stringMatching(/^problem: The proxy does not carry prepared statements/) as string

  test('that does not carry them are a problem, unless the client sends none', async () => {
    expect(remarksOf('pooler', await facts(false, true))).toContainEqual(problem)
    expect(remarksOf('pooler', await facts(false))).toContainEqual(problem)
    expect(remarksOf('pooler', await facts(false, false))).not.toContainEqual(problem)
  })
  test('that carries them are well', async () => {
    expect(remarksOf('pooler', await facts(true, true))).not.toContainEqual(problem)
  })
})
