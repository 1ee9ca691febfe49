import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { lockable, rowLocks, StaleClaimError } from 'rowlock'
import { claim, complete, extend, fail } from 'rowlock/lockers'
import { beforeEach, describe, expect, test } from 'vitest'
import { expectRejection } from '../../support/rejections.js'
import { useZoo } from '../../support/zoo.js'
import { PrismaClient as ZooClient } from '../../support/zoo/generated/queries/client.js'
import { POOLED } from '../../support/through-pooler.js'

const zoo = useZoo()
const MINUTE = 60_000
const TABLE = '"wild life"."chore WHERE, LIMIT"'
const columns = {
  attempt: 'tries',
  leaseExpiresAt: 'busyUntil',
  completedAt: 'doneAt',
  runAt: 'notBefore',
  failedAt: 'gaveUpAt',
  error: 'problem',
} as const

beforeEach(async () => {
  await zoo.database.sql.unsafe(`
    TRUNCATE ${TABLE};
    INSERT INTO ${TABLE} ("animal id", "what (WHERE", "not before")
    VALUES (1, 'feed', NULL), (1, 'wash', now() AT TIME ZONE 'UTC'), (2, 'feed', NULL), (3, 'feed', NULL), (4, 'feed', NULL)`)
})

/** A client whose sessions are nine hours ahead of UTC. */
function tokyo() {
  const options = '-c TimeZone=Asia/Tokyo'
  const pool = zoo.database.watch(new Pool({ connectionString: zoo.database.url, max: 2, options }))
  return new ZooClient({ adapter: lockable(new PrismaPg(pool), POOLED) }).$extends(rowLocks())
}

describe.each(['queries', 'joins'] as const)('a table with names and a key of its own, relations read as %s', (strategy) => {
  const client = () => (strategy === 'queries' ? zoo.queries().prisma : (zoo.joins() as never as ReturnType<typeof zoo.queries>['prisma']))

  test('is claimed from and reported to by the names of its fields', async () => {
    const { chore } = client()
    const options = { where: { what: 'feed' }, orderBy: { animalId: 'desc' }, columns, lease: MINUTE } as const
    const [fourth, third, second] = await claim(chore, { ...options, take: 3 })
    expect([fourth, third, second]).toMatchObject([
      { animalId: 4, what: 'feed', tries: 1, doneAt: null },
      { animalId: 3, what: 'feed', tries: 1 },
      { animalId: 2, what: 'feed', tries: 1 },
    ])
    expect(await complete(chore, fourth!, { columns })).toMatchObject({ animalId: 4, tries: 1, busyUntil: null, doneAt: expect.any(Date) })
    expect(await fail(chore, third!, { error: 'bitten', columns })).toMatchObject({ problem: 'bitten', gaveUpAt: expect.any(Date) })
    expect(await fail(chore, second!, { error: 'asleep', retryIn: 0, columns })).toMatchObject({ gaveUpAt: null })
    await expectRejection(extend(chore, fourth!, { lease: MINUTE, columns }), StaleClaimError, {
      model: 'Chore',
      key: { animalId: 4, what: 'feed' },
      attempt: 1,
    })

    const rest = await claim(chore, { ...options, take: 9 })
    expect(rest.map(({ animalId, tries }) => [animalId, tries])).toEqual([
      [2, 2],
      [1, 1],
    ])
  })

  test('is claimed from by the rows of another table, and in their order', async () => {
    const { chore } = client()
    const jobs = await claim(chore, {
      where: { OR: [{ animal: { keeper: { name: 'Ada' } } }, { animal: { stays: { some: { cage: 2 } } } }] },
      orderBy: [{ animal: { tag: 'desc' } }, { what: 'desc' }],
      take: 9,
      lease: MINUTE,
      columns,
    })
    expect(jobs.map(({ animalId, what }) => [animalId, what])).toEqual([
      [2, 'feed'],
      [1, 'wash'],
      [1, 'feed'],
    ])
    expect(await claim(chore, { where: { animal: { is: { keeperId: null } } }, take: 9, lease: MINUTE, columns })).toMatchObject([
      { animalId: 4 },
    ])
  })

  test('is ordered by what is counted in another table', async () => {
    const jobs = await claim(client().chore, {
      where: { what: 'feed' },
      orderBy: [{ animal: { stays: { _count: 'desc' } } }, { animalId: 'desc' }],
      take: 9,
      lease: MINUTE,
      columns,
    })
    expect(jobs.map(({ animalId }) => animalId)).toEqual([1, 2, 4, 3])
  })
})

describe('columns without a time zone', () => {
  test("hold UTC, as Prisma's own do, whatever the time zone of the session", async () => {
    const { chore } = tokyo()
    const [{ now }] = await zoo.database.sql<[{ now: Date }]>`SELECT clock_timestamp() AS now`
    const [job] = await claim(chore, { orderBy: [{ animalId: 'asc' }, { what: 'desc' }], lease: MINUTE, columns })
    expect(job).toMatchObject({ what: 'wash' })
    expect(Math.abs(job!.busyUntil!.getTime() - now.getTime() - MINUTE)).toBeLessThan(5_000)
    const [later] = await claim(chore, { where: { what: 'wash' }, lease: MINUTE, columns })
    expect(later).toBeUndefined()
    const failed = await fail(chore, job!, { error: 'x', retryIn: MINUTE, columns })
    expect(Math.abs(failed.notBefore!.getTime() - now.getTime() - MINUTE)).toBeLessThan(5_000)
  })
})

describe('optional columns that are left out', () => {
  const few = { ...columns, runAt: null, failedAt: null, error: null }

  test('are neither read nor written', async () => {
    const { chore } = zoo.queries().prisma
    await zoo.database.sql.unsafe(`UPDATE ${TABLE} SET "not before" = now() + interval '1 day', "gave up" = now()`)
    const [job] = await claim(chore, { lease: MINUTE, columns: few })
    const failed = await fail(chore, job!, { error: 'kept nowhere', retryIn: 0, columns: few })
    expect(failed).toEqual({ ...job, busyUntil: null })
  })

  test('cannot be used: no failure for good without failedAt, no delay without runAt', async () => {
    const { chore } = zoo.queries().prisma
    const [job] = await claim(chore, { lease: MINUTE, columns: few })
    await expect(fail(chore, job!, { error: 'x', columns: few })).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'retryIn' })
    await expect(fail(chore, job!, { error: 'x', retryIn: 1, columns: few })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'retryIn',
    })
  })
})
