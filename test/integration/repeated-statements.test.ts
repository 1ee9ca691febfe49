import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { type LockableOptions, lockable, rowLocks, SerializationError } from 'rowlock'
import { beforeEach, describe, expect, test } from 'vitest'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import type { TestClient } from '../support/client.js'
import { useDatabase } from '../support/database.js'
import { expectRejection, useRejectionCheck } from '../support/rejections.js'

const database = useDatabase()
useRejectionCheck()

/** A client with one connection. */
function open(options: LockableOptions = {}, pgOptions: ConstructorParameters<typeof PrismaPg>[1] = {}): TestClient {
  const pool = database.watch(new Pool({ connectionString: database.url, max: 1 }))
  return new PrismaClient({ adapter: lockable(new PrismaPg(pool, pgOptions), options) }).$extends(rowLocks())
}

const preparedBy = (client: TestClient) =>
  client.$queryRaw<{ name: string; statement: string }[]>`SELECT name, statement FROM pg_prepared_statements ORDER BY statement`

async function times(count: number, run: () => PromiseLike<unknown>): Promise<void> {
  for (let time = 0; time < count; time++) await run()
}

let id: number
beforeEach(async () => {
  await database.sql`DROP TABLE IF EXISTS scratch`
  await database.sql`CREATE TABLE scratch (value int)`
  await database.sql`INSERT INTO scratch VALUES (1)`
  const [row] = await database.sql<[{ id: number }]>`INSERT INTO "Company" (name) VALUES (${`company ${Math.random()}`}) RETURNING id`
  id = row.id
})

const readScratch = (client: Pick<TestClient, '$queryRaw'>) => client.$queryRaw`SELECT value FROM scratch WHERE value = ${1}::int`
const ONE = [{ value: 1 }]

describe('what Prisma sends', () => {
  const ordinary = (client: TestClient) => () =>
    client.$transactionWithRetry(async (tx) => {
      await tx.company.findUniqueOrThrow({ where: { id }, lock: 'forUpdate' })
      await tx.company.update({ where: { id }, data: { count: { increment: 1 } } })
    })

  test('is prepared when it comes for the third time, locked or not', async () => {
    const client = open()
    await times(2, ordinary(client))
    expect(await preparedBy(client)).toEqual([])
    await times(3, ordinary(client))
    const statements = (await preparedBy(client)).map(({ statement }) => statement)
    expect(statements).toEqual([expect.stringContaining('FOR UPDATE OF "Company"'), expect.stringMatching(/^UPDATE/)])
    expect(await client.company.findUniqueOrThrow({ where: { id } })).toMatchObject({ count: 5 })
  })

  test('is not prepared when that is switched off', async () => {
    const client = open({ preparedStatements: false })
    await times(5, ordinary(client))
    expect(await preparedBy(client)).toEqual([])
  })

  test('has the names of the adapter’s own generator, where there is one', async () => {
    const client = open({}, { statementNameGenerator: ({ sql }) => `theirs: ${sql.slice(0, 10)}` })
    await times(5, ordinary(client))
    const names = (await preparedBy(client)).map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['theirs: UPDATE "pu']))
    expect(names.filter((name) => !name.startsWith('theirs'))).toEqual([])
  })
})

describe('a prepared statement', () => {
  test('that fails to parse as the first one of a transaction is parsed anew the next time', async () => {
    const client = open()
    const run = () => client.$transactionWithRetry((tx) => readScratch(tx))
    await times(2, run)
    await database.sql`DROP TABLE scratch`
    await expect(run()).rejects.toThrow('42P01')
    await database.sql`CREATE TABLE scratch AS SELECT 1 AS value`
    await times(3, async () => expect(await run()).toEqual(ONE))
    expect(await preparedBy(client)).toHaveLength(1)
  })

  test('is parsed once also when the transaction that began with it failed later', async () => {
    const client = open()
    const divide = (by: number) => client.$transactionWithRetry((tx) => tx.$queryRaw`SELECT 1 / ${by}::int AS value`)
    await times(2, () => divide(1))
    await expect(divide(0)).rejects.toThrow('22012')
    await times(2, async () => expect(await divide(1)).toEqual(ONE))
    expect(await preparedBy(client)).toHaveLength(1)
  })
})

const migrate = () => database.sql`ALTER TABLE scratch ALTER COLUMN value TYPE bigint`
const BIG_ONE = [{ value: 1n }]

describe('a migration that changes the type of what a prepared statement returns', () => {
  test('goes unnoticed outside a transaction', async () => {
    const client = open()
    await times(4, () => readScratch(client))
    await migrate()
    await times(5, async () => expect(await readScratch(client)).toEqual(BIG_ONE))
  })

  test('is one more reason for $transactionWithRetry to run again', async () => {
    const client = open()
    await times(4, () => readScratch(client))
    await migrate()
    const attempts: number[] = []
    const read = client.$transactionWithRetry((tx, { attempt }) => {
      attempts.push(attempt)
      return readScratch(tx)
    })
    expect(await read).toEqual(BIG_ONE)
    expect(attempts).toEqual([1, 2])
  })

  test('is a SerializationError without retries, and once only', async () => {
    const client = open()
    await times(4, () => readScratch(client))
    await migrate()
    const run = () => client.$transactionWithRetry((tx) => readScratch(tx), { retry: false })
    await expectRejection(run(), SerializationError, { code: 'SERIALIZATION_FAILURE', sqlState: '0A000', retryable: true })
    expect(await run()).toEqual(BIG_ONE)
  })
})

test('a pooler that forgets prepared statements is found out, and none are used from then on', async () => {
  const client = open()
  await times(4, () => readScratch(client))
  await client.$executeRawUnsafe('DEALLOCATE ALL')
  await times(5, async () => expect(await readScratch(client)).toEqual(ONE))
  expect(await preparedBy(client)).toEqual([])
})
