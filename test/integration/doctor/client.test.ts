import { PrismaPg } from '@prisma/adapter-pg'
import { lockable, rowLocks } from 'rowlock'
import { afterEach, describe, expect, test } from 'vitest'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { clientFacts, databaseFacts, remarksOf } from '../../support/doctor.js'
import { useDatabase } from '../../support/database.js'

const database = useDatabase()

interface Options {
  readonly max?: number
  readonly query_timeout?: number
}
type TransactionOptions = NonNullable<ConstructorParameters<typeof PrismaClient>[0]['transactionOptions']>

const wrapped = (options: Options = {}, transactionOptions: TransactionOptions = {}) =>
  new PrismaClient({ adapter: lockable(new PrismaPg({ connectionString: database.url, ...options })), transactionOptions })

describe('adapter and extension', () => {
  test('find problems in a client as Prisma makes it', async () => {
    const client = await clientFacts(new PrismaClient({ adapter: new PrismaPg({ connectionString: database.url }) }))
    expect(remarksOf('adapter', { client })).toEqual([
      expect.stringMatching(/^problem: The driver adapter .* is not wrapped in `lockable\(\)`/),
    ])
    expect(remarksOf('extension', { client })).toEqual([expect.stringMatching(/^problem: The client does not have the extension/)])
  })
  test('find the extension missing by itself', async () => {
    const client = await clientFacts(wrapped())
    expect(remarksOf('adapter', { client })).toEqual([expect.stringMatching(/^ok: /)])
    expect(remarksOf('extension', { client })).toEqual([expect.stringMatching(/^problem: /)])
  })
  test('find both well, under other extensions as well', async () => {
    const client = await clientFacts(wrapped().$extends(rowLocks()).$extends({ name: 'another' }))
    expect(remarksOf('adapter', { client })).toEqual([expect.stringMatching(/^ok: /)])
    expect(remarksOf('extension', { client })).toEqual([expect.stringMatching(/^ok: /)])
  })
})

describe('prisma-version', () => {
  test('finds a problem in another major version', async () => {
    const client = { ...(await clientFacts(wrapped())), prismaVersion: '6.19.0' }
    expect(remarksOf('prisma-version', { client })).toEqual(['problem: Prisma is 6.19.0, and rowlock is made for 7.'])
  })
  test('finds 7 well', async () => {
    expect(remarksOf('prisma-version', { client: await clientFacts(wrapped()) })).toEqual([expect.stringMatching(/^ok: Prisma is 7\./)])
  })
})

describe('query-timeout', () => {
  test('finds a problem in one that ends within a transaction', async () => {
    const client = await clientFacts(wrapped({ query_timeout: 3_000 }))
    expect(remarksOf('query-timeout', { client })).toEqual([expect.stringMatching(/^problem: .*\(3000 ms\) ends within .*\(5000 ms\)/)])
  })
  test("goes by the client's own limit of a transaction", async () => {
    const client = await clientFacts(wrapped({ query_timeout: 3_000 }, { timeout: 2_000 }))
    expect(remarksOf('query-timeout', { client })).toEqual([expect.stringMatching(/^ok: .*\(3000 ms\) is longer .*\(2000 ms\)/)])
  })
  test('finds none well', async () => {
    expect(remarksOf('query-timeout', { client: await clientFacts(wrapped()) })).toEqual([expect.stringMatching(/^ok: /)])
  })
})

describe('pool-size', () => {
  const limit = async (connections: number) => {
    const [{ name }] = await database.sql<[{ name: string }]>`SELECT current_database() AS name`
    await database.sql.unsafe(`ALTER DATABASE "${name}" CONNECTION LIMIT ${connections}`)
  }
  const check = async (max: number) => {
    const client = await clientFacts(wrapped({ max }))
    return remarksOf('pool-size', { client, database: await databaseFacts(database.url) })
  }
  afterEach(() => limit(-1))

  test('finds a problem in a pool that is larger than what the server has', async () => {
    await limit(12)
    expect(await check(13)).toEqual([expect.stringMatching(/^problem: The pool takes up to 13 of the 12 connections/)])
  })
  test('warns of one that leaves too few to a second process', async () => {
    await limit(12)
    expect(await check(7)).toEqual([expect.stringMatching(/^warning: The pool takes up to 7 of the 12 connections/)])
  })
  test('finds a smaller one well', async () => {
    await limit(12)
    expect(await check(4)).toEqual([expect.stringMatching(/^ok: .*: enough for 3 processes\.$/)])
  })
})

describe('isolation', () => {
  test("goes by the client's own level", async () => {
    const facts = {
      client: await clientFacts(wrapped({}, { isolationLevel: 'RepeatableRead' })),
      database: await databaseFacts(database.url),
    }
    expect(remarksOf('isolation', facts)).toEqual([expect.stringMatching(/^note: The isolation level of the client is repeatable read/)])
  })
})
