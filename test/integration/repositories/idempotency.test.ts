import { AmbiguousCommitError } from 'rowlock'
import {
  credit,
  type CreditResult,
  IdempotencyConflictError,
  InsufficientBalanceError,
  LimitExceededError,
  placeOrder,
  withdraw,
} from 'rowlock/repositories'
import { beforeAll, describe, expect, test } from 'vitest'
import { Prisma } from '../../../src/generated/prisma/client.js'
import { checkLedger } from '../../../src/harness/check-ledger.js'
import { useDatabase } from '../../support/database.js'
import { held } from '../../support/held.js'
import { settledOrBlocked } from '../../support/repositories/lock-checks.js'
import { createTamperedClient, killTamperedClients } from '../../support/repositories/tampered-client.js'
import { isPooled } from '../../support/through-pooler.js'
import { balanceOf, createUser, createUsers, createWallet, createWorld, entriesOf, type World } from '../../support/repositories/world.js'

const database = useDatabase()
let world: World
beforeAll(() => {
  world = createWorld(database)
})

let keys = 0
const newKey = () => `key ${++keys}`
const recordsOf = ({ other }: World, key: string) => other.idempotencyRecord.findMany({ where: { key } })

describe('the same key with the same input', () => {
  test('gives the first result of a credit, with the same types', async () => {
    const [userId, idempotencyKey] = [await createUser(world), newKey()]
    const first = await credit(world.prisma, { userId, amount: 500, idempotencyKey })
    await credit(world.prisma, { userId, amount: 1 })
    const again = await credit(world.prisma, { userId, amount: '500.00', idempotencyKey })

    expect(again).toEqual(first)
    expect(again.balance).toBeInstanceOf(Prisma.Decimal)
    expect(again.balance.toNumber()).toBe(500)
    expect(typeof again.entry.id).toBe('bigint')
    expect(again.entry.createdAt).toBeInstanceOf(Date)
    expect(again.coupon?.value).toBeInstanceOf(Prisma.Decimal)
    expect(await entriesOf(world, userId)).toHaveLength(2)
  })

  test('gives the first result of a withdrawal', async () => {
    const [{ userId }, idempotencyKey] = [await createWallet(world, 10), newKey()]
    const first = await withdraw(world.prisma, { userId, amount: 10, idempotencyKey })
    await expect(withdraw(world.prisma, { userId, amount: 10, idempotencyKey })).resolves.toEqual(first)
    expect(await balanceOf(world, userId)).toBe(0)
  })

  test('takes effect once when 8 calls run at once', async () => {
    const [userId, idempotencyKey] = [await createUser(world), newKey()]
    const results = await Promise.all(Array.from({ length: 8 }, () => credit(world.prisma, { userId, amount: 100, idempotencyKey })))
    for (const result of results) expect(result).toEqual(results[0])
    expect(await entriesOf(world, userId)).toHaveLength(1)
  })

  test('takes effect once when 50 calls run at once, 20 times over', async () => {
    const { userId } = await createWallet(world, 1_000)
    for (let round = 0; round < 20; round++) {
      const input = { userId, amount: 50, idempotencyKey: newKey() }
      const results = await Promise.all(Array.from({ length: 50 }, () => withdraw(world.prisma, input)))
      for (const result of results) expect(result).toEqual(results[0])
    }
    expect(await balanceOf(world, userId)).toBe(0)
    await checkLedger(world.other, {
      walletId: (await world.other.wallet.findUniqueOrThrow({ where: { userId } })).id,
      successes: 20,
      kind: 'WITHDRAWAL',
    })
  })

  test('waits for the first call, and takes its place when that is rolled back', async () => {
    const [userId, idempotencyKey] = [await createUser(world), newKey()]
    const input = { userId, amount: 100, idempotencyKey }
    const first = await held<typeof world.other, CreditResult>(world.other, (tx) => credit(tx, input))
    const second = credit(world.prisma, input)
    expect(await settledOrBlocked(world, second)).toMatchObject([{ blockedBy: [first.pid] }])
    await first.rollback()
    await expect(second).resolves.toMatchObject({ balance: new Prisma.Decimal(100) })
    expect(await entriesOf(world, userId)).toEqual([(await second).entry])
  })

  test('gives the result of a first call that it has waited for', async () => {
    const [userId, idempotencyKey] = [await createUser(world), newKey()]
    const input = { userId, amount: 100, idempotencyKey }
    const first = await held<typeof world.other, CreditResult>(world.other, (tx) => credit(tx, input))
    const second = credit(world.prisma, input)
    expect(await settledOrBlocked(world, second)).toMatchObject([{ blockedBy: [first.pid] }])
    await first.commit()
    await expect(second).resolves.toEqual(first.result)
  })

  test('may name a credit and a withdrawal', async () => {
    const [userId, idempotencyKey] = [await createUser(world), newKey()]
    await credit(world.prisma, { userId, amount: 10, idempotencyKey })
    await withdraw(world.prisma, { userId, amount: 10, idempotencyKey })
    expect(await balanceOf(world, userId)).toBe(0)
  })
})

describe('the same key with other input', () => {
  test('is a conflict, and has no effect', async () => {
    const [[userId, other], idempotencyKey] = [await createUsers(world, 2), newKey()]
    await credit(world.prisma, { userId: userId!, amount: 10, idempotencyKey })
    for (const input of [
      { userId: userId!, amount: 11 },
      { userId: other!, amount: 10 },
    ]) {
      const conflict = credit(world.prisma, { ...input, idempotencyKey })
      await expect(conflict).rejects.toBeInstanceOf(IdempotencyConflictError)
      await expect(conflict).rejects.toMatchObject({ code: 'IDEMPOTENCY_CONFLICT', operation: 'credit', idempotencyKey })
    }
    expect(await balanceOf(world, userId!)).toBe(10)
  })

  test('is a conflict for one of two calls at once', async () => {
    const [{ userId }, idempotencyKey] = [await createWallet(world, 100), newKey()]
    const results = await Promise.allSettled([1, 2].map((amount) => withdraw(world.prisma, { userId, amount, idempotencyKey })))
    const [refused] = results.filter((result) => result.status === 'rejected')
    expect(refused?.reason).toBeInstanceOf(IdempotencyConflictError)
    expect(await entriesOf(world, userId)).toHaveLength(2)
  })
})

describe('a call that failed', () => {
  test('leaves the key free', async () => {
    const [{ userId }, idempotencyKey] = [await createWallet(world, 5), newKey()]
    const input = { userId, amount: 10, idempotencyKey }
    await expect(withdraw(world.prisma, input)).rejects.toBeInstanceOf(InsufficientBalanceError)
    expect(await recordsOf(world, idempotencyKey)).toEqual([])
    await credit(world.prisma, { userId, amount: 5 })
    await expect(withdraw(world.prisma, input)).resolves.toMatchObject({ balance: new Prisma.Decimal(0) })
  })

  test('leaves the key free in a transaction that goes on and commits', async () => {
    const [{ userId }, idempotencyKey] = [await createWallet(world, 5), newKey()]
    await world.prisma.$transaction(async (tx) => {
      await expect(withdraw(tx, { userId, amount: 10, idempotencyKey })).rejects.toBeInstanceOf(InsufficientBalanceError)
      await credit(tx, { userId, amount: 1 })
    })
    expect(await balanceOf(world, userId)).toBe(6)
    expect(await recordsOf(world, idempotencyKey)).toEqual([])
  })
})

const isCommit = (sql: string) => sql === 'COMMIT'
/** An operation as one statement, which is committed with it. */
const isOperation = (sql: string) => sql.startsWith('WITH')

/** A client whose connection dies around the first `times` of its statements that commit. */
function losing(commits: (sql: string) => boolean, when: 'before' | 'after', times = 1) {
  let left = times
  let sent = 0
  const lose = async (sql: string) => {
    if (!commits(sql)) return
    sent++
    if (left-- <= 0) return
    await killTamperedClients(database)
    throw new Error('Connection terminated unexpectedly')
  }
  const { prisma } = createTamperedClient(database, { [when]: lose }, { poolSize: 2 })
  return { prisma, sent: () => sent }
}

const losingCommits = (when: 'before' | 'after', times = 1) => losing(isCommit, when, times)

/** Once; behind a pooler the next connection to the server may be one that was killed, too. */
function expectSentAgain(sent: number): void {
  if (isPooled) expect(sent).toBeGreaterThan(1)
  else expect(sent).toBe(2)
}

describe('a connection that dies', () => {
  test.each(['before', 'after'] as const)('%s COMMIT leaves one effect of a credit with a key, and its result', async (when) => {
    const [userId, idempotencyKey] = [await createUser(world), newKey()]
    const { prisma, sent } = losingCommits(when)
    const result = await credit(prisma, { userId, amount: 100, idempotencyKey })
    expect(await entriesOf(world, userId)).toEqual([result.entry])
    expectSentAgain(sent())
    await prisma.$disconnect()
  })

  test('after COMMIT twice in a row still leaves one effect of a credit with a key', async () => {
    const [userId, idempotencyKey] = [await createUser(world), newKey()]
    const { prisma } = losingCommits('after', 2)
    const result = await credit(prisma, { userId, amount: 100, idempotencyKey })
    expect(await entriesOf(world, userId)).toEqual([result.entry])
    await prisma.$disconnect()
  })

  test.each(['before', 'after'] as const)(
    '%s the statement that a withdrawal is leaves one effect with a key, and its result',
    async (when) => {
      const [{ userId }, idempotencyKey] = [await createWallet(world, 100), newKey()]
      const { prisma, sent } = losing(isOperation, when)
      const result = await withdraw(prisma, { userId, amount: 100, idempotencyKey })
      expect((await entriesOf(world, userId)).slice(1)).toEqual([result.entry])
      expectSentAgain(sent())
      await prisma.$disconnect()
    },
  )

  test.each(['before', 'after'] as const)('%s the statement that an order is leaves one order, and its result', async (when) => {
    const userId = await createUser(world)
    const { prisma } = losing(isOperation, when)
    const { order } = await placeOrder(prisma, { userId, orderId: `${when} ${userId}`, amount: 1 })
    expect(await world.other.order.findMany({ where: { userId } })).toEqual([order])
    await prisma.$disconnect()
  })

  test('after the statement is ambiguous without a key, and nothing is done twice', async () => {
    const { userId } = await createWallet(world, 100)
    const { prisma, sent } = losing(isOperation, 'after')
    await expect(withdraw(prisma, { userId, amount: 10 })).rejects.toBeInstanceOf(AmbiguousCommitError)
    expect([await balanceOf(world, userId), sent()]).toEqual([90, 1])
    await prisma.$disconnect()
  })

  test('under the statement is no refusal when that may still come through', async () => {
    const [{ userId }, idempotencyKey] = [await createWallet(world, 100), newKey()]
    let lost = false
    const before = async (sql: string) => {
      if (!isOperation(sql) || lost) return
      lost = true
      await database.sql`UPDATE "Wallet" SET balance = 1 WHERE "userId" = ${userId}`
      throw new Error('Connection terminated unexpectedly')
    }
    const { prisma } = createTamperedClient(database, { before }, { poolSize: 2 })
    await expect(withdraw(prisma, { userId, amount: 100, idempotencyKey })).rejects.toBeInstanceOf(AmbiguousCommitError)
    await prisma.$disconnect()
  })

  test('after COMMIT leaves one order, and its result', async () => {
    const userId = await createUser(world)
    const { prisma } = losingCommits('after')
    const { order } = await placeOrder(prisma, { userId, orderId: `lost ${userId}`, amount: 1 })
    expect(await world.other.order.findMany({ where: { userId } })).toEqual([order])
    await prisma.$disconnect()
  })

  test('after COMMIT is ambiguous without a key, and nothing is done twice', async () => {
    const userId = await createUser(world)
    const { prisma, sent } = losingCommits('after')
    await expect(credit(prisma, { userId, amount: 100 })).rejects.toBeInstanceOf(AmbiguousCommitError)
    expect(await entriesOf(world, userId)).toHaveLength(1)
    expect(sent()).toBe(1)
    await prisma.$disconnect()
  })

  test('every time stays ambiguous, also with a key', async () => {
    const [userId, idempotencyKey] = [await createUser(world), newKey()]
    const { prisma } = losingCommits('after', 100)
    await expect(credit(prisma, { userId, amount: 100, idempotencyKey })).rejects.toBeInstanceOf(AmbiguousCommitError)
    expect(await entriesOf(world, userId)).toHaveLength(1)
    await prisma.$disconnect()
  })

  test('and a server that cannot be asked again stay ambiguous', async () => {
    const [userId, idempotencyKey] = [await createUser(world), newKey()]
    let down = false
    const { prisma } = createTamperedClient(
      database,
      {
        before() {
          if (down) throw new Error('Connection terminated unexpectedly')
        },
        after(sql) {
          if (sql !== 'COMMIT') return
          down = true
          throw new Error('Connection terminated unexpectedly')
        },
      },
      { poolSize: 2 },
    )
    await expect(credit(prisma, { userId, amount: 100, idempotencyKey })).rejects.toBeInstanceOf(AmbiguousCommitError)
    await prisma.$disconnect()
    await expect(credit(world.prisma, { userId, amount: 100, idempotencyKey })).resolves.toMatchObject({ balance: new Prisma.Decimal(100) })
    expect(await entriesOf(world, userId)).toHaveLength(1)
  })

  test('before COMMIT leaves the answer to the second run, also when that is a refusal', async () => {
    const [userId, idempotencyKey] = [await createUser(world), newKey()]
    let lost = false
    const { prisma } = createTamperedClient(
      database,
      {
        async before(sql) {
          if (sql !== 'COMMIT' || lost) return
          lost = true
          await killTamperedClients(database)
          await database.sql`INSERT INTO "Wallet" ("userId", balance) VALUES (${userId}, 9999999999999999)`
          throw new Error('Connection terminated unexpectedly')
        },
      },
      { poolSize: 2 },
    )
    await expect(credit(prisma, { userId, amount: 100, idempotencyKey })).rejects.toBeInstanceOf(LimitExceededError)
    await prisma.$disconnect()
  })
})
