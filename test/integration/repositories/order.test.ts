import { beforeAll, describe, expect, test } from 'vitest'
import { IdempotencyConflictError, LimitExceededError, placeOrder, UserNotFoundError } from 'rowlock/repositories'
import { naivePlaceOrder } from '../../../examples/naive/order.js'
import { Prisma } from '../../../src/generated/prisma/client.js'
import { useDatabase } from '../../support/database.js'
import { held } from '../../support/held.js'
import { settledOrBlocked } from '../../support/repositories/lock-checks.js'
import { readingTogether } from '../../support/repositories/plain-client.js'
import { LOST, raceOrders } from '../../support/repositories/races.js'
import { createUser, createUsers, createWorld, WAYS, type World } from '../../support/repositories/world.js'

const database = useDatabase()
let world: World

describe.each(WAYS)('%s', (way) => {
  beforeAll(async () => {
    world = createWorld(database, undefined, way)
    await world.other.order.deleteMany()
  })

  test("numbers a user's orders from 1", async () => {
    const userId = await createUser(world)
    const first = await world.run((db) => placeOrder(db, { userId, orderId: 'first', amount: '49.90' }))
    expect(first.order).toEqual({ id: 'first', userId, number: 1, amount: new Prisma.Decimal('49.9'), createdAt: expect.any(Date) })
    const second = await world.run((db) => placeOrder(db, { userId, orderId: 'second', amount: 5 }))
    expect(second.order.number).toBe(2)
    expect(await world.other.order.findMany({ where: { userId }, orderBy: { number: 'asc' } })).toEqual([first.order, second.order])
  })

  test('the same order sent again gives the first result', async () => {
    const userId = await createUser(world)
    const input = { userId, orderId: 'again', amount: 5 }
    const first = await world.run((db) => placeOrder(db, input))
    await expect(world.run((db) => placeOrder(db, { ...input, amount: '5.00' }))).resolves.toEqual(first)
  })

  test('the same order sent 8 times at once is placed once', async () => {
    const userId = await createUser(world)
    const results = await Promise.all(
      Array.from({ length: 8 }, () => world.run((db) => placeOrder(db, { userId, orderId: 'at once', amount: 5 }))),
    )
    expect(new Set(results.map(({ order }) => JSON.stringify(order))).size).toBe(1)
    expect(await world.other.order.count({ where: { userId } })).toBe(1)
  })

  test('the same id with another user or amount is a conflict, also at once', async () => {
    const [userId, other] = await createUsers(world, 2)
    await world.run((db) => placeOrder(db, { userId: userId!, orderId: 'taken', amount: 5 }))
    for (const input of [
      { userId: userId!, amount: 6 },
      { userId: other!, amount: 5 },
    ]) {
      const conflict = world.run((db) => placeOrder(db, { ...input, orderId: 'taken' }))
      await expect(conflict).rejects.toBeInstanceOf(IdempotencyConflictError)
      await expect(conflict).rejects.toMatchObject({ operation: 'placeOrder', idempotencyKey: 'taken' })
    }
    const both = await Promise.allSettled(
      [userId!, other!].map((user) => world.run((db) => placeOrder(db, { userId: user, orderId: 'wanted', amount: 5 }))),
    )
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  test('a user that does not exist is an error of its own, and no statement fails', async () => {
    await world.prisma.$transaction(async (tx) => {
      await expect(placeOrder(tx, { userId: 999_999, orderId: 'nobody', amount: 1 })).rejects.toBeInstanceOf(UserNotFoundError)
      await tx.$queryRaw`SELECT 1`
    })
  })

  test('a number beyond its column is an error of its own', async () => {
    const userId = await createUser(world)
    await world.other.order.create({ data: { id: 'last', userId, number: 2_147_483_647, amount: 1 } })
    await expect(world.run((db) => placeOrder(db, { userId, orderId: 'one more', amount: 1 }))).rejects.toBeInstanceOf(LimitExceededError)
  })

  test('joins an open transaction, which undoes it', async () => {
    const userId = await createUser(world)
    const undone = world.prisma.$transaction(async (tx) => {
      await placeOrder(tx, { userId, orderId: 'undone', amount: 1 })
      throw new Error('undo')
    })
    await expect(undone).rejects.toThrow('undo')
    await expect(world.run((db) => placeOrder(db, { userId, orderId: 'kept', amount: 1 }))).resolves.toMatchObject({ order: { number: 1 } })
  })

  test("one user's next order waits for the open one, another user's does not", async () => {
    const [userId, other] = await createUsers(world, 2)
    const open = await held(world.other, (tx) => placeOrder(tx, { userId: userId!, orderId: 'open', amount: 1 }))

    const others = world.run((db) => placeOrder(db, { userId: other!, orderId: "other user's", amount: 1 }))
    expect(await settledOrBlocked(world, others)).toEqual([])
    await expect(others).resolves.toMatchObject({ order: { number: 1 } })

    const next = world.run((db) => placeOrder(db, { userId: userId!, orderId: 'next', amount: 1 }))
    expect(await settledOrBlocked(world, next)).toMatchObject([{ blockedBy: [open.pid] }])
    await open.commit()
    await expect(next).resolves.toMatchObject({ order: { number: 2 } })
  })

  test('10 orders of 2 users at once are all placed, without a gap in the numbers', async () => {
    await raceOrders(world, (input) => world.run((db) => placeOrder(db, input)))
  })

  test('the naive twin loses the same race', async () => {
    const plain = readingTogether(world.prisma, 10)
    await expect(raceOrders(world, (input) => naivePlaceOrder(plain, input))).rejects.toThrow(LOST)
  })
})
