import { LockNotSupportedError, LockTimeoutError } from 'rowlock'
import {
  buyAnyTicket,
  buyTicket,
  credit,
  decrementCount,
  incrementCount,
  placeOrder,
  setCount,
  signIn,
  withdraw,
} from 'rowlock/repositories'
import { checkLedger, race } from 'rowlock/testing'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { TestClient } from '../../support/client.js'
import { errorSqlState } from '../../../src/core/error-sql-state.js'
import { useDatabase } from '../../support/database.js'
import { hold } from '../../support/repositories/lock-checks.js'
import { statementChecks, withoutClauses } from '../../support/repositories/statement-checks.js'
import { createTamperedClient } from '../../support/repositories/tampered-client.js'
import {
  createCompany,
  createEvent,
  createQuota,
  createUser,
  createWallet,
  createWorld,
  type World,
} from '../../support/repositories/world.js'

const database = useDatabase()
const sent: string[] = []
let failed: { sql: string; sqlState: string | undefined }[] = []
let rewrite: ((sql: string) => string) | undefined
let world: World
beforeAll(() => {
  const { prisma } = createTamperedClient(database, {
    before: (sql) => sent.push(sql),
    failed: (sql, error) => failed.push({ sql, sqlState: errorSqlState(error) }),
    rewrite: (sql) => rewrite?.(sql) ?? sql,
  })
  world = createWorld(database, prisma)
})
afterEach(() => {
  rewrite = undefined
})

/** An operation that goes well, and the row that it waits for. */
interface Case {
  readonly call: (prisma: TestClient) => Promise<unknown>
  readonly row: string
}

const walletCase = async (call: (prisma: TestClient, userId: number) => Promise<unknown>): Promise<Case> => {
  const { userId } = await createWallet(world, 100)
  return { call: (prisma) => call(prisma, userId), row: `"Wallet" WHERE "userId" = ${userId}` }
}
const countCase = async (operation: typeof setCount): Promise<Case> => {
  const company = await createCompany(world, 5)
  return { call: (prisma) => operation(prisma, { company, count: 2 }), row: `"Company" WHERE name = '${company}'` }
}

const cases: Readonly<Record<string, () => Promise<Case>>> = {
  withdraw: () => walletCase((prisma, userId) => withdraw(prisma, { userId, amount: 10 })),
  'withdraw with a key': () => walletCase((prisma, userId) => withdraw(prisma, { userId, amount: 10, idempotencyKey: `a ${userId}` })),
  credit: () => walletCase((prisma, userId) => credit(prisma, { userId, amount: 10 })),
  'credit with a coupon': () => walletCase((prisma, userId) => credit(prisma, { userId, amount: 300 })),
  'credit with a key': () => walletCase((prisma, userId) => credit(prisma, { userId, amount: 300, idempotencyKey: `b ${userId}` })),
  setCount: () => countCase(setCount),
  incrementCount: () => countCase(incrementCount),
  decrementCount: () => countCase(decrementCount),
  buyTicket: async () => {
    const [eventId, userId] = [await createEvent(world, { remaining: 2 }), await createUser(world)]
    return { call: (prisma) => buyTicket(prisma, { eventId, userId }), row: `"Event" WHERE id = ${eventId}` }
  },
  buyAnyTicket: async () => {
    const [eventId, userId] = [await createEvent(world, { seats: 2 }), await createUser(world)]
    return { call: (prisma) => buyAnyTicket(prisma, { eventId, userId }), row: `"User" WHERE id = ${userId}` }
  },
  placeOrder: async () => {
    const userId = await createUser(world)
    return { call: (prisma) => placeOrder(prisma, { userId, orderId: `one ${userId}`, amount: 5 }), row: `"User" WHERE id = ${userId}` }
  },
  signIn: async () => {
    const userId = await createQuota(world, 25)
    return { call: (prisma) => signIn(prisma, { userId }), row: `"ReadingQuota" WHERE "userId" = ${userId}` }
  },
  'signIn at a time of the caller': async () => {
    const userId = await createQuota(world, 25)
    const now = new Date('2026-03-01T12:00:00Z')
    return { call: (prisma) => signIn(prisma, { userId, now }), row: `"ReadingQuota" WHERE "userId" = ${userId}` }
  },
}

// Ids and times differ from call to call, and between two rows of the same kind.
const shapeOf = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (key, part: unknown) =>
      /^(id|.*Id|company)$|At$|^day$/.test(key) ? typeof part : typeof part === 'bigint' ? 'bigint' : part,
    ),
  )

describe.each(Object.entries(cases))('%s with a client', (name, create) => {
  test('is one statement, and has the result that the transaction has', async () => {
    const [alone, joined] = [await create(), await create()]
    sent.length = 0
    const result = await alone.call(world.prisma)
    expect(sent).toHaveLength(1)
    const expected = await world.prisma.$transactionWithRetry((tx) => joined.call(tx as unknown as TestClient))
    expect(shapeOf(result)).toEqual(shapeOf(expected))
    if (name.endsWith('key')) expect(await alone.call(world.prisma)).toEqual(result)
  })

  test('waits no longer than a transaction of its own, and puts the limit back', async () => {
    const [{ call, row }, next] = [await create(), await create()]
    const narrow = createTamperedClient(database, { rewrite: (sql) => sql.replace("'4750ms'", "'30ms'") }, { poolSize: 1 })
    await next.call(narrow.prisma)
    expect(await narrow.prisma.$queryRaw`SHOW lock_timeout`).toEqual([{ lock_timeout: '0' }])
    const holder = await hold(world, `SELECT 1 FROM ${row} FOR UPDATE`)
    await expect(call(narrow.prisma)).rejects.toThrow(LockTimeoutError)
    await holder.rollback()
    await call(narrow.prisma)
    await narrow.prisma.$disconnect()
  })
})

describe('each clause of a statement', () => {
  for (const check of statementChecks) {
    test(check.title, async () => {
      failed = []
      await check.check(world)
      expect(failed).toEqual([])
    })

    test(`no longer without it: ${check.title}`, async () => {
      failed = []
      rewrite = withoutClauses(check)
      const run = async () => {
        await check.check(world)
        expect(failed).toEqual([])
      }
      sent.length = 0
      await expect(run()).rejects.toThrow()
      expect(sent.some((sql) => withoutClauses(check)(sql) !== sql)).toBe(true)
      // What is left without it is SQL.
      expect(failed.filter(({ sqlState }) => sqlState?.startsWith('42'))).toEqual([])
    })
  }
})

describe('signIn with a client', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  const clockAhead = (days: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + days * 86_400_000 })

  test('goes by the clock of the server, whatever the clock of the process says', async () => {
    const [{ now }] = await database.sql<[{ now: Date }]>`SELECT now()`
    for (const days of [-1, 1]) {
      const userId = await createQuota(world, 25)
      clockAhead(days)
      const { signIn: row, day } = await signIn(world.prisma, { userId }, { dayStartsAt: '00:00' })
      vi.useRealTimers()
      expect(day).toBe(now.toISOString().slice(0, 10))
      expect(Math.abs(row.signedInAt.getTime() - now.getTime())).toBeLessThan(60_000)
    }
  })

  test('no longer goes by it without the bounds of the day', async () => {
    rewrite = (sql) =>
      sql.replace(/ WHERE "now" >= \$3::timestamptz AND "now" < \$4::timestamptz/, ' WHERE $3::timestamptz < $4::timestamptz')
    const userId = await createQuota(world, 25)
    clockAhead(1)
    const { signIn: row, day } = await signIn(world.prisma, { userId }, { dayStartsAt: '00:00' })
    expect(day).not.toBe(row.signedInAt.toISOString().slice(0, 10))
  })
})

test('of 1,000 withdrawals of 1 from 990 at once 990 get their money, 3 times over', async () => {
  const wide = createWorld(database)
  for (let round = 0; round < 3; round++) {
    const { userId, walletId } = await createWallet(wide, 990)
    const result = await race({ requests: 1_000, run: () => withdraw(wide.prisma, { userId, amount: 1 }) })
    expect(result).toMatchObject({ fulfilled: 990, rejected: 10, errors: { INSUFFICIENT_BALANCE: 10 } })
    const { balance } = await checkLedger(wide.other, { walletId, successes: 990, kind: 'WITHDRAWAL' })
    expect(Number(balance)).toBe(0)
  }
})

test('inside a transaction of the same client they are refused, as a transaction of their own would be', async () => {
  const { userId } = await createWallet(world, 10)
  sent.length = 0
  const nested = world.prisma.$transactionWithRetry(() => withdraw(world.prisma, { userId, amount: 1 }))
  await expect(nested).rejects.toBeInstanceOf(LockNotSupportedError)
  expect(sent.some((sql) => sql.includes('UPDATE'))).toBe(false)
})
