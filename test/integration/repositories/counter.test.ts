import { beforeAll, describe, expect, test } from 'vitest'
import {
  CompanyNotFoundError,
  CountIsZeroError,
  CountTooLowError,
  decrementCount,
  incrementCount,
  LimitExceededError,
  setCount,
} from 'rowlock/repositories'
import { naiveDecrementCount, naiveIncrementCount, naiveSetCount } from '../../../examples/naive/counter.js'
import { useDatabase } from '../../support/database.js'
import { held } from '../../support/held.js'
import { settledOrBlocked } from '../../support/repositories/lock-checks.js'
import { asPlainClient, readingTogether } from '../../support/repositories/plain-client.js'
import { type CountOperations, LOST, raceCounts, raceToZero } from '../../support/repositories/races.js'
import { createTamperedClient } from '../../support/repositories/tampered-client.js'
import { countOf, createCompany, createWorld, WAYS, type World } from '../../support/repositories/world.js'

const database = useDatabase()
let world: World

describe.each(WAYS)('%s', (way) => {
  beforeAll(() => {
    world = createWorld(database, undefined, way)
  })

  test('sets, raises and lowers the count of one company and of no other', async () => {
    const [company, other] = [await createCompany(world, 1), await createCompany(world, 1)]
    await expect(world.run((db) => setCount(db, { company, count: 10 }))).resolves.toEqual({ company, count: 10 })
    await expect(world.run((db) => incrementCount(db, { company, count: 5 }))).resolves.toEqual({ company, count: 15 })
    await expect(world.run((db) => decrementCount(db, { company, count: 15 }))).resolves.toEqual({ company, count: 0 })
    expect([await countOf(world, company), await countOf(world, other)]).toEqual([0, 1])
  })

  test('the count may be set to zero', async () => {
    const company = await createCompany(world, 3)
    await expect(world.run((db) => setCount(db, { company, count: 0 }))).resolves.toEqual({ company, count: 0 })
  })

  test.each(Object.entries({ setCount, incrementCount, decrementCount }))('%s says that there is no such company', async (_, operation) => {
    const call = world.run((db) => operation(db, { company: 'nobody', count: 1 }))
    await expect(call).rejects.toBeInstanceOf(CompanyNotFoundError)
    await expect(call).rejects.toMatchObject({ company: 'nobody' })
  })

  test('zero and not enough are different errors', async () => {
    const [empty, low] = [await createCompany(world, 0), await createCompany(world, 2)]
    const zero = world.run((db) => decrementCount(db, { company: empty, count: 1 }))
    await expect(zero).rejects.toBeInstanceOf(CountIsZeroError)
    await expect(zero).rejects.toMatchObject({ code: 'COUNT_IS_ZERO', company: empty, requested: 1 })
    const tooLow = world.run((db) => decrementCount(db, { company: low, count: 3 }))
    await expect(tooLow).rejects.toBeInstanceOf(CountTooLowError)
    await expect(tooLow).rejects.toMatchObject({ code: 'COUNT_TOO_LOW', company: low, count: 2, requested: 3 })
    expect(await countOf(world, low)).toBe(2)
  })

  test('a count that its column cannot hold is an error of its own', async () => {
    const company = await createCompany(world, 2_147_483_646)
    await expect(world.run((db) => incrementCount(db, { company, count: 2 }))).rejects.toBeInstanceOf(LimitExceededError)
    await expect(world.run((db) => incrementCount(db, { company, count: 1 }))).resolves.toEqual({ company, count: 2_147_483_647 })
  })

  test('joins an open transaction, which undoes all of it', async () => {
    const company = await createCompany(world, 5)
    const undone = world.prisma.$transaction(async (tx) => {
      await setCount(tx, { company, count: 7 })
      await incrementCount(tx, { company, count: 2 })
      expect(await decrementCount(tx, { company, count: 3 })).toEqual({ company, count: 6 })
      throw new Error('undo')
    })
    await expect(undone).rejects.toThrow('undo')
    expect(await countOf(world, company)).toBe(5)
  })

  test('of 16 changes at once every one counts', async () => {
    await raceCounts(world, {
      increment: (input) => world.run((db) => incrementCount(db, input)),
      decrement: (input) => world.run((db) => decrementCount(db, input)),
    })
  })

  test('of 12 decrements of 5 at once, 5 count and the others are told that it is zero', async () => {
    const { errors } = await raceToZero(world, (input) => world.run((db) => decrementCount(db, input)))
    expect(errors.every((error) => error instanceof CountIsZeroError)).toBe(true)
  })

  test('the naive twins lose the same races', async () => {
    const [counting, emptying] = [readingTogether(world.prisma, 16), readingTogether(world.prisma, 12)]
    const naive: CountOperations = {
      increment: (input) => naiveIncrementCount(counting, input),
      decrement: (input) => naiveDecrementCount(counting, input),
    }
    await expect(raceCounts(world, naive)).rejects.toThrow(LOST)
    await expect(raceToZero(world, (input) => naiveDecrementCount(emptying, input))).rejects.toThrow(LOST)
  })

  test('the naive setCount is written over by a naive increment that read before it', async () => {
    const company = await createCompany(world, 0)
    let set: Promise<void> | undefined
    const { prisma: interrupted } = createTamperedClient(database, {
      after: () => (set ??= naiveSetCount(asPlainClient(world.prisma), { company, count: 1_000 })),
    })
    await naiveIncrementCount(asPlainClient(interrupted), { company, count: 1 })
    expect(await countOf(world, company)).toBe(1)
  })

  test('setCount keeps an increment from reading before it and writing after it', async () => {
    const company = await createCompany(world, 0)
    const set = await held(world.other, (tx) => setCount(tx, { company, count: 1_000 }))
    const increment = world.run((db) => incrementCount(db, { company, count: 1 }))
    expect(await settledOrBlocked(world, increment)).toMatchObject([{ blockedBy: [set.pid] }])
    await set.commit()
    await expect(increment).resolves.toEqual({ company, count: 1_001 })
  })
})
