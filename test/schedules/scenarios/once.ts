import assert from 'node:assert/strict'
import { IdempotencyConflictError } from 'rowlock'
import { once, sweepOnce } from 'rowlock/lockers'
import type { InvariantContext } from 'rowlock/testing'
import type { PrismaClient } from '../../../src/generated/prisma/client.js'
import type { TestClient } from '../../support/client.js'
import type { RepositoryScenario } from './repositories.js'
import { createCompany, errorsOf, fulfilled, readCount, refusedOnlyWith, repeated, type Scenario, valuesOf } from './scenario.js'

type Tx = Pick<PrismaClient, 'company'>

/** The effect: it returns how often it has taken place. */
async function count(tx: Pick<TestClient, 'company'>): Promise<number> {
  const company = await (tx as unknown as Tx).company.update({ where: { name: 'Acme' }, data: { count: { increment: 1 } } })
  return company.count
}

class RefusedError extends Error {}

const setup = (prisma: TestClient | PrismaClient) => createCompany(prisma, 0)

/** One effect, and its result for everyone who got one. */
async function doneOnce(prisma: TestClient | PrismaClient, { outcomes }: InvariantContext): Promise<void> {
  assert.deepEqual(new Set(valuesOf(outcomes)), new Set([1]), 'results')
  assert.equal(await readCount(prisma), 1, 'effects')
  assert.equal(await (prisma as PrismaClient).idempotencyRecord.count(), 1, 'records')
}

/** Callers of one key. The records have the time in them, so that no two runs leave the same. */
export const onceScenarios = (actors: 2 | 3): readonly RepositoryScenario[] => [
  {
    title: 'once with the same key has one effect, and everyone gets its result',
    setup,
    actors: repeated(actors, (prisma) => once(prisma, 'key', { user: 1 }, count)),
    invariant: async (prisma, context) => {
      refusedOnlyWith(context.outcomes)
      await doneOnce(prisma, context)
    },
    comparable: false,
  },
  {
    title: 'once with the same key and other input has one effect, and conflicts',
    setup,
    actors: repeated(actors, (prisma, user) => once(prisma, 'key', { user }, count)),
    invariant: async (prisma, context) => {
      assert.equal(refusedOnlyWith(context.outcomes, IdempotencyConflictError).length, actors - 1)
      await doneOnce(prisma, context)
    },
    comparable: false,
  },
  {
    title: 'once gives the key on when the run that has it fails',
    setup,
    actors: repeated(actors, (prisma, actor) =>
      once(prisma, 'key', 1, async (tx) => {
        const result = await count(tx)
        if (actor === 1) throw new RefusedError()
        return result
      }),
    ),
    invariant: async (prisma, context) => {
      refusedOnlyWith(context.outcomes, RefusedError)
      assert.equal(fulfilled(context.outcomes) >= actors - 1, true)
      await doneOnce(prisma, context)
    },
    comparable: false,
  },
]

const HOUR = 3_600_000

/** Callers whose key expires while they come. */
export const sweptScenario = (callers: 1 | 2): RepositoryScenario => ({
  title: `once for ${callers} with a sweep of its record gives everyone a result whose effect is there`,
  setup: async (prisma) => {
    await setup(prisma)
    await once(prisma, 'key', 1, count)
    await prisma.$executeRaw`UPDATE "IdempotencyRecord" SET "createdAt" = "createdAt" - interval '2 hours'`
  },
  actors: {
    sweep: (prisma) => sweepOnce(prisma, { olderThan: HOUR }).then(() => 1),
    ...Object.fromEntries(
      ['first', 'second'].slice(0, callers).map((name) => [name, (prisma: TestClient) => once(prisma, 'key', 1, count)]),
    ),
  },
  invariant: async (prisma, { outcomes }) => {
    refusedOnlyWith(outcomes)
    // The key is new after the sweep: the effect takes place a second time, and never a third one.
    const effects = await readCount(prisma)
    assert.equal(effects, Math.max(...(valuesOf(outcomes) as number[])))
    assert.equal(effects <= 2, true)
    const records = await prisma.idempotencyRecord.findMany()
    assert.deepEqual(effects === 2 ? records.map(({ result }) => result) : [], effects === 2 ? [2] : [])
  },
  comparable: false,
})

/** As it is written by hand: look whether it was done, do it, write down that it was done. */
async function checkThenInsert(prisma: PrismaClient, key: string): Promise<unknown> {
  const record = { operation: 'once', key }
  const done = await prisma.idempotencyRecord.findUnique({ where: { operation_key: record } })
  if (done) return done.result
  const result = await count(prisma as never)
  await prisma.idempotencyRecord.create({ data: { ...record, inputHash: '', result } })
  return result
}

/** The same in one transaction: the unique key then undoes the second effect, and its caller gets an error. */
const checkThenInsertInTransaction = (prisma: PrismaClient, key: string) =>
  prisma.$transaction((tx) => checkThenInsert(tx as PrismaClient, key))

const twin = (title: string, actors: 2 | 3, run: (prisma: PrismaClient, key: string) => Promise<unknown>): Scenario<PrismaClient> => ({
  title,
  setup,
  actors: repeated(actors, (prisma) => run(prisma, 'key')),
  invariant: async (prisma, context) => {
    await doneOnce(prisma, context)
    assert.deepEqual(errorsOf(context.outcomes), [], 'callers without a result')
  },
})

export const brokenTwins = (actors: 2 | 3): readonly (Scenario<PrismaClient> & { readonly broken: RegExp })[] => [
  { ...twin('check, then insert', actors, checkThenInsert), broken: /broken\s+(?:effects|results)/ },
  { ...twin('check, then insert in a transaction', actors, checkThenInsertInTransaction), broken: /broken\s+callers without a result/ },
]
