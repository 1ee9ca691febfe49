import type { TransactionOptions } from 'rowlock'
import { buyAnyTicket, credit, placeOrder, signIn } from 'rowlock/repositories'
import { beforeAll, describe, expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { raceFirstCredits, raceOrders, raceSeats, raceSignIns } from '../../support/repositories/races.js'
import { createUser, createWorld, entriesOf, type World } from '../../support/repositories/world.js'

const database = useDatabase()
let world: World
beforeAll(() => {
  world = createWorld(database)
})

// Under these levels a transaction goes on seeing what it saw first: an operation that waited for
// another one must fail and be run again, and never go on from the old state.
describe.each(['RepeatableRead', 'Serializable'] as const)('in transactions of isolation level %s', (isolationLevel) => {
  const options: TransactionOptions = { isolationLevel, maxWait: 20_000, retry: { attempts: 100 } }

  test('one of 6 sign-ins gets in', () =>
    raceSignIns(world, (input) => world.prisma.$transactionWithRetry((tx) => signIn(tx, input), options)).then(() => undefined))

  test('all of 10 first credits count', () =>
    raceFirstCredits(world, (input) => world.prisma.$transactionWithRetry((tx) => credit(tx, input), options)))

  test('8 buyers get 8 seats', () =>
    raceSeats(world, (input) => world.prisma.$transactionWithRetry((tx) => buyAnyTicket(tx, input), options)).then(() => undefined))

  test('all of 10 orders are placed', async () => {
    await world.other.order.deleteMany()
    await raceOrders(world, (input) => world.prisma.$transactionWithRetry((tx) => placeOrder(tx, input), options))
  })

  test('a credit with a key takes effect once', async () => {
    const input = { userId: await createUser(world), amount: 100, idempotencyKey: isolationLevel }
    const calls = Array.from({ length: 6 }, () => world.prisma.$transactionWithRetry((tx) => credit(tx, input), options))
    const results = await Promise.all(calls)
    for (const result of results) expect(result).toEqual(results[0])
    expect(await entriesOf(world, input.userId)).toHaveLength(1)
  })
})
