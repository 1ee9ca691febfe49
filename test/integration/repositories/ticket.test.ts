import { beforeAll, describe, expect, test } from 'vitest'
import { buyAnyTicket, buyTicket, EventNotFoundError, findTickets, SoldOutError, UserNotFoundError } from 'rowlock/repositories'
import { naiveBuyAnyTicket, naiveBuyTicket } from '../../../examples/naive/ticket.js'
import { useDatabase } from '../../support/database.js'
import { hold, settledOrBlocked } from '../../support/repositories/lock-checks.js'
import { readingTogether } from '../../support/repositories/plain-client.js'
import { LOST, raceSeats, raceTickets } from '../../support/repositories/races.js'
import { createEvent, createUser, createUsers, createWorld, WAYS, type World } from '../../support/repositories/world.js'

const database = useDatabase()
let world: World

describe.each(WAYS)('%s', (way) => {
  beforeAll(() => {
    world = createWorld(database, undefined, way)
  })

  test('findTickets says what is for sale', async () => {
    const [eventId, userId] = [await createEvent(world, { remaining: 4, seats: 3 }), await createUser(world)]
    await world.run((db) => buyTicket(db, { eventId, userId }))
    await world.run((db) => buyAnyTicket(db, { eventId, userId }))
    const { remaining, seats } = await findTickets(world.prisma, { eventId })
    expect(remaining).toBe(3)
    expect(seats).toMatchObject([
      { eventId, seat: 2, userId: null },
      { eventId, seat: 3, userId: null },
    ])
    await expect(findTickets(world.prisma, { eventId: 999_999 })).rejects.toBeInstanceOf(EventNotFoundError)
  })

  test('findTickets does not wait for anyone who has locked the event and all its seats', async () => {
    const eventId = await createEvent(world, { remaining: 4, seats: 2 })
    const all = `SELECT 1 FROM "Event" JOIN "Ticket" ON "eventId" = "Event".id WHERE "Event".id = ${eventId} FOR UPDATE`
    const holder = await hold(world, all)
    const found = findTickets(world.prisma, { eventId })
    expect(await settledOrBlocked(world, found)).toEqual([])
    await expect(found).resolves.toMatchObject({ remaining: 4 })
    await holder.rollback()
  })

  test('buyTicket sells what remains and not more', async () => {
    const [eventId, userId] = [await createEvent(world, { remaining: 2 }), await createUser(world)]
    const { ticket, remaining } = await world.run((db) => buyTicket(db, { eventId, userId }))
    expect(ticket).toMatchObject({ eventId, userId, seat: null, soldAt: expect.any(Date) })
    expect(remaining).toBe(1)
    await world.run((db) => buyTicket(db, { eventId, userId }))
    await expect(world.run((db) => buyTicket(db, { eventId, userId }))).rejects.toBeInstanceOf(SoldOutError)
    expect(await world.other.ticket.count({ where: { eventId } })).toBe(2)
  })

  test('buyAnyTicket sells the lowest free seat, and each seat once', async () => {
    const [eventId, userId] = [await createEvent(world, { seats: 2 }), await createUser(world)]
    const first = await world.run((db) => buyAnyTicket(db, { eventId, userId }))
    expect(first.ticket).toMatchObject({ eventId, userId, seat: 1, soldAt: expect.any(Date) })
    await expect(world.run((db) => buyAnyTicket(db, { eventId, userId }))).resolves.toMatchObject({ ticket: { seat: 2 } })
    await expect(world.run((db) => buyAnyTicket(db, { eventId, userId }))).rejects.toBeInstanceOf(SoldOutError)
  })

  test.each(Object.entries({ buyTicket, buyAnyTicket }))('%s names a missing event or user, and no statement fails', async (_, buy) => {
    const [eventId, userId] = [await createEvent(world, { remaining: 1, seats: 1 }), await createUser(world)]
    await world.prisma.$transaction(async (tx) => {
      await expect(buy(tx, { eventId: 999_999, userId })).rejects.toBeInstanceOf(EventNotFoundError)
      await expect(buy(tx, { eventId, userId: 999_999 })).rejects.toBeInstanceOf(UserNotFoundError)
      await tx.$queryRaw`SELECT 1`
    })
    expect(await findTickets(world.prisma, { eventId })).toMatchObject({ remaining: 1, seats: [{ seat: 1 }] })
  })

  test('both join an open transaction, which undoes all of it', async () => {
    const [eventId, userId] = [await createEvent(world, { remaining: 1, seats: 1 }), await createUser(world)]
    const undone = world.prisma.$transaction(async (tx) => {
      await buyTicket(tx, { eventId, userId })
      await buyAnyTicket(tx, { eventId, userId })
      throw new Error('undo')
    })
    await expect(undone).rejects.toThrow('undo')
    expect(await findTickets(world.prisma, { eventId })).toMatchObject({ remaining: 1, seats: [{ seat: 1 }] })
  })

  test('of 15 buyers of 3 tickets at once, 3 get one and the others are told that it is sold out', async () => {
    const { errors } = await raceTickets(world, (input) => world.run((db) => buyTicket(db, input)))
    expect(errors.every((error) => error instanceof SoldOutError)).toBe(true)
  })

  test('8 buyers of 8 seats at once all get one', async () => {
    await raceSeats(world, (input) => world.run((db) => buyAnyTicket(db, input)))
  })

  test('of 12 buyers of 8 seats at once, 8 get one and the others are told that it is sold out', async () => {
    const { errors } = await raceSeats(world, (input) => world.run((db) => buyAnyTicket(db, input)), 12)
    expect(errors.every((error) => error instanceof SoldOutError)).toBe(true)
  })

  test('buyers of as many seats do not wait for each other, though none has committed', async () => {
    const [eventId, users] = [await createEvent(world, { seats: 4 }), await createUsers(world, 4)]
    const bought: unknown[] = []
    let release!: () => void
    const allBought = new Promise<void>((resolve) => {
      release = resolve
    })
    // Each sale stays open until the last one is made: a buyer who waited for another would wait for ever.
    const sales = users.map((userId) =>
      world.prisma.$transaction(async (tx) => {
        bought.push((await buyAnyTicket(tx, { eventId, userId })).ticket.seat)
        if (bought.length === 4) release()
        await allBought
      }),
    )
    expect(await settledOrBlocked(world, Promise.all(sales))).toEqual([])
    await Promise.all(sales)
    expect(bought.sort()).toEqual([1, 2, 3, 4])
  })

  test('a buyer who waits for seats in other hands gets the one whose sale is undone', async () => {
    const [eventId, [first, second, third]] = [await createEvent(world, { seats: 2 }), await createUsers(world, 3)]
    const sell = (seat: number, to: number) =>
      hold(world, `UPDATE "Ticket" SET "userId" = ${to}, "soldAt" = now() WHERE "eventId" = ${eventId} AND seat = ${seat} RETURNING id`)
    const [sale1, sale2] = [await sell(1, first!), await sell(2, second!)]

    const result = world.run((db) => buyAnyTicket(db, { eventId, userId: third! }))
    expect(await settledOrBlocked(world, result)).toMatchObject([{ blockedBy: [sale1.pid] }])
    await sale1.commit()
    expect(await settledOrBlocked(world, result)).toMatchObject([{ blockedBy: [sale2.pid] }])
    await sale2.rollback()
    await expect(result).resolves.toMatchObject({ ticket: { seat: 2, userId: third } })
  })

  test('a seat that comes back while a buyer waits for another one is found', async () => {
    const [eventId, [first, second, third]] = [await createEvent(world, { seats: 2 }), await createUsers(world, 3)]
    await database.sql`UPDATE "Ticket" SET "userId" = ${first!}, "soldAt" = now() WHERE "eventId" = ${eventId} AND seat = 1`
    const sale2 = await hold(
      world,
      `UPDATE "Ticket" SET "userId" = ${second}, "soldAt" = now() WHERE "eventId" = ${eventId} AND seat = 2 RETURNING id`,
    )

    const result = world.run((db) => buyAnyTicket(db, { eventId, userId: third! }))
    expect(await settledOrBlocked(world, result)).toMatchObject([{ blockedBy: [sale2.pid] }])
    await database.sql`UPDATE "Ticket" SET "userId" = NULL, "soldAt" = NULL WHERE "eventId" = ${eventId} AND seat = 1`
    await sale2.commit()
    await expect(result).resolves.toMatchObject({ ticket: { seat: 1, userId: third } })
  })

  test('the naive twins lose the same races', async () => {
    const [some, any] = [readingTogether(world.prisma, 15), readingTogether(world.prisma, 8)]
    await expect(raceTickets(world, (input) => naiveBuyTicket(some, input))).rejects.toThrow(LOST)
    await expect(raceSeats(world, (input) => naiveBuyAnyTicket(any, input))).rejects.toThrow(LOST)
  })
})
