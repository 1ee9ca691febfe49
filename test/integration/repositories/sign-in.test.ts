import { beforeAll, describe, expect, test } from 'vitest'
import { AlreadySignedInError, LimitExceededError, signIn, UserNotFoundError } from 'rowlock/repositories'
import { naiveSignIn } from '../../../examples/naive/sign-in.js'
import { useDatabase } from '../../support/database.js'
import { readingTogether } from '../../support/repositories/plain-client.js'
import { raceSignIns } from '../../support/repositories/races.js'
import { createQuota, createUser, createWorld, WAYS, quotaOf, type World } from '../../support/repositories/world.js'

const database = useDatabase()
let world: World

describe.each(WAYS)('%s', (way) => {
  beforeAll(() => {
    world = createWorld(database, undefined, way)
  })

  const at = (time: string) => new Date(time)

  test('a first sign-in opens the quota with 25 and logs the change', async () => {
    const userId = await createUser(world)
    const result = await world.run((db) => signIn(db, { userId, now: at('2026-03-01T08:00:00Z') }))

    expect(result).toEqual({
      day: '2026-03-01',
      nextDayStartsAt: at('2026-03-02T08:00:00Z'),
      signIn: { id: expect.any(Number), userId, day: at('2026-03-01'), signedInAt: at('2026-03-01T08:00:00Z') },
      quota: { userId, remaining: 25 },
    })
    const changes = await world.other.readingQuotaChange.findMany({ where: { userId } })
    expect(changes).toMatchObject([{ delta: 25, remaining: 25, reason: 'sign-in' }])
  })

  test('a sign-in the next day adds to the quota', async () => {
    const userId = await createUser(world)
    await world.run((db) => signIn(db, { userId, now: at('2026-03-01T08:00:00Z') }))
    const { quota } = await world.run((db) => signIn(db, { userId, now: at('2026-03-02T08:00:00Z') }, { reward: 5 }))
    expect(quota.remaining).toBe(30)
  })

  test('the second sign-in of a day is refused with the day and when the next one begins', async () => {
    const userId = await createUser(world)
    await world.run((db) => signIn(db, { userId, now: at('2026-03-01T08:00:00Z') }))
    const second = world.run((db) => signIn(db, { userId, now: at('2026-03-02T07:59:59.999Z') }))
    await expect(second).rejects.toBeInstanceOf(AlreadySignedInError)
    await expect(second).rejects.toMatchObject({
      code: 'ALREADY_SIGNED_IN',
      userId,
      day: '2026-03-01',
      nextDayStartsAt: at('2026-03-02T08:00:00Z'),
    })
    expect(await quotaOf(world, userId)).toBe(25)
  })

  test("now is the server's clock", async () => {
    const userId = await createUser(world)
    const [before] = await database.sql<[{ now: Date }]>`SELECT date_trunc('milliseconds', clock_timestamp()) AS now`
    const result = await world.run((db) => signIn(db, { userId }))
    const [after] = await database.sql<[{ now: Date }]>`SELECT clock_timestamp() AS now`
    expect(result.signIn.signedInAt >= before.now && result.signIn.signedInAt <= after.now).toBe(true)
  })

  test('a user that does not exist is an error of its own, and no statement fails', async () => {
    await world.prisma.$transaction(async (tx) => {
      await expect(signIn(tx, { userId: 999_999 })).rejects.toBeInstanceOf(UserNotFoundError)
      await tx.$queryRaw`SELECT 1`
    })
  })

  test('a quota that cannot hold the reward is an error of its own, and nothing is written', async () => {
    const userId = await createQuota(world, 2_147_483_640)
    await expect(world.run((db) => signIn(db, { userId }))).rejects.toBeInstanceOf(LimitExceededError)
    expect(await world.other.signIn.count({ where: { userId } })).toBe(0)
  })

  test('joins an open transaction, which undoes all of it', async () => {
    const userId = await createUser(world)
    const undone = world.prisma.$transaction(async (tx) => {
      await signIn(tx, { userId })
      throw new Error('undo')
    })
    await expect(undone).rejects.toThrow('undo')
    expect(await quotaOf(world, userId)).toBeUndefined()
    expect(await world.other.signIn.count({ where: { userId } })).toBe(0)
  })

  test('of 6 sign-ins at once one gets in, and the others are told why', async () => {
    const { errors } = await raceSignIns(world, (input) => world.run((db) => signIn(db, input)))
    expect(errors.every((error) => error instanceof AlreadySignedInError)).toBe(true)
  })

  test('two first sign-ins at once on different days both count', async () => {
    for (let round = 0; round < 10; round++) {
      const userId = await createUser(world)
      const days = ['2026-03-01T09:00:00Z', '2026-03-02T09:00:00Z']
      await Promise.all(days.map((day) => world.run((db) => signIn(db, { userId, now: at(day) }))))
      expect(await quotaOf(world, userId)).toBe(50)
    }
  })

  test('the naive twin loses the same race', async () => {
    const plain = readingTogether(world.prisma, 6)
    await expect(raceSignIns(world, (input) => naiveSignIn(plain, input))).rejects.toThrow('quota')
  })

  describe('a day in Europe/Berlin', () => {
    // Clocks go from 02:00 to 03:00 on 29 March 2026, and from 03:00 back to 02:00 on 25 October 2026.
    const berlin = { timeZone: 'Europe/Berlin' }
    const dayAt = async (now: string, options: object = berlin) => {
      const { day, nextDayStartsAt } = await world.run(async (db) => signIn(db, { userId: await createUser(world), now: at(now) }, options))
      return [day, nextDayStartsAt.toISOString()]
    }

    test('begins at 08:00 there, also when the clocks have changed in the night', async () => {
      expect(await dayAt('2026-03-29T05:59:59.999Z')).toEqual(['2026-03-28', '2026-03-29T06:00:00.000Z'])
      expect(await dayAt('2026-03-29T06:00:00Z')).toEqual(['2026-03-29', '2026-03-30T06:00:00.000Z'])
      expect(await dayAt('2026-10-25T06:59:59.999Z')).toEqual(['2026-10-24', '2026-10-25T07:00:00.000Z'])
      expect(await dayAt('2026-10-25T07:00:00Z')).toEqual(['2026-10-25', '2026-10-26T07:00:00.000Z'])
    })

    test('that begins at a time the clocks skip begins an hour later by the clocks', async () => {
      const options = { ...berlin, dayStartsAt: '02:30' }
      expect(await dayAt('2026-03-29T01:29:59Z', options)).toEqual(['2026-03-28', '2026-03-29T01:30:00.000Z'])
      expect(await dayAt('2026-03-29T01:30:00Z', options)).toEqual(['2026-03-29', '2026-03-30T00:30:00.000Z'])
    })

    test('that begins at a time the clocks pass twice begins the first time', async () => {
      const options = { ...berlin, dayStartsAt: '02:30' }
      expect(await dayAt('2026-10-25T00:29:59Z', options)).toEqual(['2026-10-24', '2026-10-25T00:30:00.000Z'])
      expect(await dayAt('2026-10-25T00:30:00Z', options)).toEqual(['2026-10-25', '2026-10-26T01:30:00.000Z'])
      expect(await dayAt('2026-10-25T01:15:00Z', options)).toEqual(['2026-10-25', '2026-10-26T01:30:00.000Z'])
    })
  })
})
