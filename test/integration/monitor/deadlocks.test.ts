import { directQuery, lockTree, type TransactionClientOf } from 'rowlock'
import { beforeAll, expect, test } from 'vitest'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase, waitUntilSessionsBlocked } from '../../support/database.js'
import { collide, createBarrier, failures } from '../../support/deadlock.js'
import { held } from '../../support/held.js'

const database = useDatabase()

type Tx = TransactionClientOf<TestClient>

let first: number
let second: number
beforeAll(async () => {
  const { prisma } = createClient(database)
  const made = await prisma.company.createManyAndReturn({ data: [{ name: 'first' }, { name: 'second' }] })
  ;[first, second] = made.map(({ id }) => id) as [number, number]
})

const lock = (id: number) => (tx: Tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' })
const deadlocksOf = async (client: object) => (await lockTree(client)).deadlocks

test('a deadlock is kept with the row that was asked for and what PostgreSQL said', async () => {
  const { prisma } = createClient(database)
  const before = Date.now()
  expect(failures(await collide(prisma, lock(first), lock(second)))).toHaveLength(1)
  const deadlocks = await deadlocksOf(prisma)
  expect(deadlocks).toEqual([
    {
      at: expect.any(Date) as Date,
      model: 'Company',
      key: { id: expect.any(Number) as number },
      detail: expect.stringMatching(/\d+ [^]*\d+[^]*\n[^]*\d+/) as string,
    },
  ])
  expect(deadlocks[0]!.at.getTime()).toBeGreaterThanOrEqual(before)
  expect(await deadlocksOf(createClient(database).prisma)).toEqual([])
})

test('each attempt that is aborted is kept, with the label, also when the next one succeeds', async () => {
  const { prisma } = createClient(database)
  const bothHoldOne = createBarrier(2)
  const run = (own: number, other: number, label: string) =>
    prisma.$transactionWithRetry(
      async (tx, { attempt }) => {
        await tx.$executeRaw`SET LOCAL deadlock_timeout = '10ms'`
        await lock(own)(tx)
        if (attempt === 1) await bothHoldOne()
        await lock(other)(tx)
      },
      { label },
    )
  await Promise.all([run(first, second, 'there'), run(second, first, 'back')])
  const deadlocks = await deadlocksOf(prisma)
  expect(deadlocks).toHaveLength(1)
  expect(['there', 'back']).toContain(deadlocks[0]!.label)
})

test('one that fn swallows is kept, too', async () => {
  const { prisma } = createClient(database)
  const swallowing = (id: number) => (tx: Tx) => lock(id)(tx).catch(() => undefined)
  expect(failures(await collide(prisma, swallowing(first), swallowing(second)))).toHaveLength(1)
  expect(await deadlocksOf(prisma)).toMatchObject([{ detail: expect.any(String) as string }])
})

/** Two statements in a session each, of which the second ones collide. */
async function collideWith(run: (ids: [number, number]) => PromiseLike<unknown>): Promise<void> {
  await Promise.allSettled([run([first, second]), run([second, first])])
}

test('one of a plain `$transaction` is kept once', async () => {
  const { prisma } = createClient(database)
  const bothHoldOne = createBarrier(2)
  await collideWith((ids) =>
    prisma.$transaction(async (tx) => {
      await tx.$executeRaw`SET LOCAL deadlock_timeout = '10ms'`
      await lock(ids[0])(tx)
      await bothHoldOne()
      await lock(ids[1])(tx)
    }),
  )
  expect(await deadlocksOf(prisma)).toMatchObject([{ model: 'Company' }])
})

test.each<[string, (client: TestClient, text: string, values: number[]) => Promise<unknown>]>([
  ['directQuery', (client, text, values) => directQuery(client, { text, values })],
  ['a raw query', (client, text, values) => client.$queryRawUnsafe(text, ...values)],
])('one of %s outside a transaction is kept', async (_, send) => {
  const { prisma } = createClient(database)
  // Each waits between its locks until both have their first.
  const text = `
    WITH limits AS MATERIALIZED (SELECT set_config('deadlock_timeout', '10ms', true)),
    own AS MATERIALIZED (SELECT pg_advisory_xact_lock($1::bigint) FROM limits),
    gate AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(99) FROM own)
    SELECT pg_advisory_xact_lock($2::bigint)::text AS granted FROM gate`
  const gate = await held(prisma, (tx) => tx.$queryRaw`SELECT pg_advisory_xact_lock(99)::text`)
  const collision = collideWith((values) => send(prisma, text, values))
  await waitUntilSessionsBlocked(database.sql, 2)
  await gate.commit()
  await collision
  expect(await deadlocksOf(prisma)).toEqual([{ at: expect.any(Date) as Date }])
})
