import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase, waitUntilSessionsBlocked } from '../../support/database.js'
import { held } from '../../support/held.js'
import { useZoo } from '../../support/zoo.js'

describe('a locked read that has waited', () => {
  const database = useDatabase()
  let prisma: TestClient
  let userId: number

  beforeAll(() => {
    ;({ prisma } = createClient(database))
  })
  beforeEach(async () => {
    userId = (await prisma.user.create({ data: { name: 'u' } })).id
  })

  /** Someone holds the user, adds an order and commits while `read` waits for the lock. */
  async function whileWaiting<R>(read: () => Promise<R>): Promise<R> {
    const holder = await held(prisma, async (tx) => {
      await tx.user.findUnique({ where: { id: userId }, lock: 'forNoKeyUpdate' })
      await tx.user.update({ where: { id: userId }, data: { name: 'renamed' } })
      await tx.order.create({ data: { id: `o${userId}`, userId, number: 1, amount: 1 } })
    })
    const waiting = read()
    await waitUntilSessionsBlocked(database.sql, 1)
    await holder.commit()
    return waiting
  }

  test('returns the row as it was committed', async () => {
    const user = await whileWaiting(() => prisma.$transaction((tx) => tx.user.findUnique({ where: { id: userId }, lock: 'forUpdate' })))
    expect(user?.name).toBe('renamed')
  })

  test('includes relations as they are after the lock', async () => {
    const user = await whileWaiting(() =>
      prisma.$transaction((tx) => tx.user.findUnique({ where: { id: userId }, include: { orders: true }, lock: 'forUpdate' })),
    )
    expect(user?.orders).toHaveLength(1)
  })

  test.each([{ strength: 'forUpdate' }, { strength: 'forUpdate', timeout: 10_000 }] as const)(
    'counts relations as they are after the lock: %o',
    async (lock) => {
      const user = await whileWaiting(() =>
        prisma.$transaction((tx) => tx.user.findUnique({ where: { id: userId }, include: { _count: { select: { orders: true } } }, lock })),
      )
      expect(user).toMatchObject({ name: 'renamed', _count: { orders: 1 } })
    },
  )

  test('counts relations freshly in findMany too', async () => {
    const users = await whileWaiting(() =>
      prisma.$transaction((tx) =>
        tx.user.findMany({ where: { id: { lte: userId } }, select: { id: true, _count: { select: { orders: true } } }, lock: 'forUpdate' }),
      ),
    )
    expect(users.find(({ id }) => id === userId)?._count.orders).toBe(1)
  })

  test('applies relation filters as of after the lock', async () => {
    const user = await whileWaiting(() =>
      prisma.$transaction((tx) => tx.user.findFirst({ where: { id: userId, orders: { none: {} } }, lock: 'forUpdate' })),
    )
    expect(user).toBeNull()
  })

  test('raw FOR UPDATE returns the stale count, which is why the library reads again', async () => {
    const [row] = await whileWaiting(() =>
      prisma.$transaction(
        (tx) => tx.$queryRaw<{ name: string; count: bigint }[]>`
          SELECT u.name, (SELECT count(*) FROM "Order" WHERE "userId" = u.id) AS count FROM "User" u WHERE u.id = ${userId} FOR UPDATE OF u`,
      ),
    )
    expect(row).toEqual({ name: 'renamed', count: 0n })
  })
})

describe('a locked read with relations as joins', () => {
  const zoo = useZoo()

  test('is not torn after a wait', async () => {
    const prisma = zoo.joins()
    const holder = await held(prisma, async (tx) => {
      await tx.animal.findUnique({ where: { id: 2 }, lock: 'forNoKeyUpdate' })
      await tx.animal.update({ where: { id: 2 }, data: { name: 'Bumblebee' } })
      await tx.stay.create({ data: { animalId: 2, cage: 9 } })
    })
    const waiting = prisma.$transaction((tx) =>
      tx.animal.findUnique({ where: { id: 2 }, include: { stays: true, _count: true }, relationLoadStrategy: 'join', lock: 'forUpdate' }),
    )
    await waitUntilSessionsBlocked(zoo.database.sql, 1)
    await holder.commit()
    const animal = await waiting
    expect(animal).toMatchObject({ name: 'Bumblebee', _count: { stays: 2 } })
    expect(animal?.stays).toHaveLength(2)
  })
})
