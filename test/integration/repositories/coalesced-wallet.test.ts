import fc from 'fast-check'
import { Pool } from 'pg'
import { PrismaPg } from '@prisma/adapter-pg'
import { AmbiguousCommitError, coalesce, InvalidOptionError, lockable, LockNotSupportedError, rowLocks } from 'rowlock'
import {
  createWallet as createCoalesced,
  credit,
  IdempotencyConflictError,
  InsufficientBalanceError,
  LimitExceededError,
  UserNotFoundError,
  type Wallet,
  WalletNotFoundError,
  withdraw,
} from 'rowlock/repositories'
import { raceProcesses } from 'rowlock/testing'
import { beforeAll, describe, expect, test } from 'vitest'
import { Prisma, PrismaClient } from '../../../src/generated/prisma/client.js'
import { checkLedger } from '../../../src/harness/check-ledger.js'
import { useDatabase, waitUntilSessionsBlocked } from '../../support/database.js'
import { held } from '../../support/held.js'
import { useRejectionCheck } from '../../support/rejections.js'
import type { WalletRace } from '../../support/repositories/coalesced-wallet.actor.js'
import { createTamperedClient } from '../../support/repositories/tampered-client.js'
import { balanceOf, createUser, createWallet, createWorld, entriesOf, type World } from '../../support/repositories/world.js'
import { type Fate, startTcpProxy } from '../../support/tcp-proxy.js'
import { POOLED } from '../../support/through-pooler.js'

const database = useDatabase()
useRejectionCheck()
let world: World
let wallet: Wallet
/** What the client of `wallet` has sent. */
let sent: string[] = []
beforeAll(() => {
  world = createWorld(database)
  const { prisma } = createTamperedClient(database, { before: (sql) => void sent.push(sql) })
  wallet = createCoalesced(prisma, { coalesce: {} })
})

interface Call {
  readonly kind: 'credit' | 'withdraw'
  readonly amount: number | string
  readonly idempotencyKey?: string
}

const { Decimal } = Prisma

/** Calls that come in one turn of the event loop; the statements that they took. */
async function together(userId: number, calls: readonly Call[]) {
  sent = []
  const outcomes = await Promise.allSettled(calls.map(({ kind, ...input }) => wallet[kind]({ userId, ...input })))
  return { outcomes, statements: sent }
}

let keys = 0
const newKey = () => `batched ${++keys}`
const isBatch = (sql: string) => sql.startsWith('WITH RECURSIVE')
const statusOf = ({ status }: PromiseSettledResult<unknown>) => status
const withdrawals = (count: number): Call[] => Array.from({ length: count }, () => ({ kind: 'withdraw', amount: 1 }))

describe('calls that come together', () => {
  test('are one statement, and each is answered as it would have been alone', async () => {
    const { userId, walletId } = await createWallet(world, 100)
    const { outcomes, statements } = await together(userId, [
      { kind: 'withdraw', amount: '30.50' },
      { kind: 'withdraw', amount: 70 },
      { kind: 'credit', amount: 500 },
      { kind: 'withdraw', amount: 70 },
      { kind: 'credit', amount: '9999999999999999.99' },
      { kind: 'credit', amount: '0.01' },
    ])
    expect(statements.map(isBatch)).toEqual([true])
    const entries = await entriesOf(world, userId)
    const [, first, third, fourth, sixth] = entries
    const coupon = await world.other.coupon.findUnique({ where: { entryId: third!.id } })
    expect(outcomes).toStrictEqual([
      { status: 'fulfilled', value: { balance: new Decimal('69.5'), entry: first } },
      { status: 'rejected', reason: new InsufficientBalanceError(userId, new Decimal('69.5'), new Decimal(70)) },
      { status: 'fulfilled', value: { balance: new Decimal('569.5'), entry: third, coupon } },
      { status: 'fulfilled', value: { balance: new Decimal('499.5'), entry: fourth } },
      { status: 'rejected', reason: new LimitExceededError('Wallet', { userId }, new Decimal('9999999999999999.99')) },
      { status: 'fulfilled', value: { balance: new Decimal('499.51'), entry: sixth, coupon: null } },
    ])
    expect(Number(coupon?.value)).toBe(50)
    await checkLedger(world.other, { walletId, successes: 5 })
  })

  test('of which none fits write nothing', async () => {
    const { userId, walletId } = await createWallet(world, 5)
    const xmin = async () => (await database.sql`SELECT xmin::text FROM "Wallet" WHERE id = ${walletId}`)[0]
    const before = await xmin()
    const { outcomes, statements } = await together(userId, [
      { kind: 'withdraw', amount: 6 },
      { kind: 'withdraw', amount: 7 },
    ])
    expect(outcomes.map(statusOf)).toEqual(['rejected', 'rejected'])
    expect(statements.map(isBatch)).toEqual([true])
    expect(await xmin()).toEqual(before)
  })

  test('take as many statements as `max` makes of them', async () => {
    const { userId, walletId } = await createWallet(world, 1_000)
    const { outcomes, statements } = await together(userId, withdrawals(250))
    expect(outcomes.every(({ status }) => status === 'fulfilled')).toBe(true)
    expect(statements.map(isBatch)).toEqual([true, true, true])
    expect((await entriesOf(world, userId)).map(({ balance }) => Number(balance))).toEqual(
      Array.from({ length: 251 }, (_, index) => 1_000 - index),
    )
    await checkLedger(world.other, { walletId, successes: 251 })
  })

  test('with bad input among them fail alone, before anything is sent', async () => {
    const { userId } = await createWallet(world, 10)
    const { outcomes, statements } = await together(userId, [...withdrawals(2), { kind: 'credit', amount: -1 }])
    expect(outcomes.map(statusOf)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    expect(outcomes[2]).toMatchObject({ reason: expect.any(InvalidOptionError) as unknown })
    expect(statements).toHaveLength(1)
  })

  test('for a user without a wallet are answered one by one: the first credit opens it', async () => {
    const userId = await createUser(world)
    const { outcomes } = await together(userId, [...withdrawals(1), { kind: 'credit', amount: 5 }, ...withdrawals(1)])
    expect(outcomes.map(statusOf)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
    expect(outcomes[0]).toMatchObject({ reason: expect.any(WalletNotFoundError) as unknown })
    expect(await balanceOf(world, userId)).toBe(4)
    const nobody = await together(999_999, [
      { kind: 'credit', amount: 5 },
      { kind: 'withdraw', amount: 5 },
    ])
    expect(nobody.outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason as unknown)).toEqual([
      new UserNotFoundError(999_999),
      new WalletNotFoundError(999_999),
    ])
  })

  test('use the coupon table of their wallet', async () => {
    const { userId } = await createWallet(world, 0)
    const own = createCoalesced(world.prisma, { coalesce: { max: 10 }, coupons: [{ from: 2, value: '0.50' }] })
    const [one, two] = await Promise.all([own.credit({ userId, amount: 1 }), own.credit({ userId, amount: 2 })])
    expect([one.coupon, two.coupon?.value]).toEqual([null, new Decimal('0.5')])
  })
})

test('a call alone is the statement that it would be without coalesce', async () => {
  const { userId } = await createWallet(world, 10)
  const { outcomes, statements } = await together(userId, withdrawals(1))
  expect(outcomes.map(statusOf)).toEqual(['fulfilled'])
  expect(statements.map(isBatch)).toEqual([false])
})

test('without coalesce, and in a transaction, every call is on its own', async () => {
  const { userId } = await createWallet(world, 10)
  const plain = createCoalesced(world.prisma)
  await Promise.all([plain.withdraw({ userId, amount: 1 }), plain.credit({ userId, amount: 2 })])
  const undone = world.prisma.$transaction(async (tx) => {
    await createCoalesced(tx, { coalesce: {} }).withdraw({ userId, amount: 5 })
    throw new Error('undo')
  })
  await expect(undone).rejects.toThrow('undo')
  expect(await balanceOf(world, userId)).toBe(11)
})

test('a call from inside a transaction of the same client is refused, and no other call with it', async () => {
  const { userId } = await createWallet(world, 10)
  const own = createCoalesced(world.prisma, { coalesce: {} })
  const inside = world.prisma.$transactionWithRetry(async () => {
    await own.withdraw({ userId, amount: 1 })
  })
  const [refused, done] = await Promise.allSettled([inside, own.withdraw({ userId, amount: 2 })])
  expect(refused).toMatchObject({ status: 'rejected', reason: expect.any(LockNotSupportedError) as unknown })
  expect(done.status).toBe('fulfilled')
})

test.each([{ coalesce: { max: 0 } }, { coalesce: { max: 1.5 } }, { coalesce: 5 }, { coalesce: { size: 1 } }, { max: 5 }])(
  'the options %j are refused',
  (options) => {
    expect(() => createCoalesced(world.prisma, options as never)).toThrow(InvalidOptionError)
  },
)

test('random batches leave what the same calls leave one after another, with the same answers', async () => {
  const call = fc.record({
    kind: fc.constantFrom('credit' as const, 'withdraw' as const),
    amount: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.constantFrom('0.01', '99.99', '120.50', 500, '9999999999999999.99')),
    keyed: fc.option(fc.nat(3), { freq: 4 }),
  })
  const property = fc.asyncProperty(fc.array(call, { minLength: 2, maxLength: 12 }), fc.nat(100), async (given, balance) => {
    const [a, b] = [await createWallet(world, balance), await createWallet(world, balance)]
    // A key that comes again comes with the same input, or is a conflict; either is decided after the batch.
    const seen = new Set<string>()
    const calls = given.map(({ keyed, ...one }): Call => {
      const name = `${one.kind} ${keyed}`
      if (keyed === null || seen.has(name)) return one
      seen.add(name)
      return { ...one, idempotencyKey: name }
    })
    const keyOf = (of: string, { idempotencyKey: key, ...input }: Call) => ({
      ...input,
      ...(key !== undefined && { idempotencyKey: `${of} ${a.userId} ${key}` }),
    })
    const { outcomes } = await together(
      a.userId,
      calls.map((one) => keyOf('a', one)),
    )
    const alone = { credit: (input: never) => credit(world.prisma, input), withdraw: (input: never) => withdraw(world.prisma, input) }
    const later: number[] = []
    const expected: unknown[] = []
    const run = async (index: number) => {
      const { kind, ...input } = keyOf('b', calls[index]!)
      const [outcome] = await Promise.allSettled([alone[kind]({ userId: b.userId, ...input } as never)])
      return outcome
    }
    for (const [index, { idempotencyKey }] of calls.entries()) {
      expected[index] = await run(index)
      // Asked again after the batch, where other calls may have made it possible.
      if ((expected[index] as PromiseSettledResult<unknown>).status === 'rejected' && idempotencyKey) later.push(index)
    }
    for (const index of later) expected[index] = await run(index)
    expect(outcomes.map(normalized)).toEqual((expected as PromiseSettledResult<unknown>[]).map(normalized))
    expect(await balances(a.userId)).toEqual(await balances(b.userId))
  })
  await fc.assert(property, { numRuns: 60, seed: 20_261_121 })
  await checkLedger(world.other)
})

const balances = async (userId: number) =>
  (await entriesOf(world, userId)).map(({ kind, amount, balance }) => `${kind} ${amount.toFixed(2)} ${balance.toFixed(2)}`)

/** An outcome with its types, and without what names one wallet of the two. */
function normalized(outcome: PromiseSettledResult<unknown>): unknown {
  const anonymous = (value: unknown): unknown => {
    if (Decimal.isDecimal(value)) return `Decimal ${value.toFixed()}`
    if (value instanceof Date) return 'Date'
    if (typeof value === 'bigint') return 'bigint'
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value).filter(([name]) => !['userId', 'key', 'walletId', 'entryId'].includes(name))
    return Object.fromEntries(entries.map(([name, field]) => [name, name === 'id' ? typeof field : anonymous(field)]))
  }
  if (outcome.status === 'fulfilled') return anonymous(outcome.value)
  return [(outcome.reason as Error).constructor.name, anonymous(outcome.reason)]
}

describe('idempotency keys in a batch', () => {
  test('are recorded by the same statement, with the results that a call alone would store', async () => {
    const { userId } = await createWallet(world, 100)
    const calls: Call[] = [
      { kind: 'withdraw', amount: 5, idempotencyKey: newKey() },
      { kind: 'credit', amount: '300.50', idempotencyKey: newKey() },
      { kind: 'credit', amount: 5, idempotencyKey: newKey() },
      { kind: 'withdraw', amount: 7 },
    ]
    const { outcomes, statements } = await together(userId, calls)
    expect(statements.map(isBatch)).toEqual([true])
    // Alone and in a batch, the same key gives the first result, in every type.
    for (const [index, { kind, ...input }] of calls.slice(0, 3).entries()) {
      const again = await (kind === 'credit' ? credit : withdraw)(world.prisma, { userId, ...input })
      expect({ status: 'fulfilled', value: again }).toStrictEqual(outcomes[index])
    }
    const { outcomes: again } = await together(userId, calls.slice(0, 3))
    expect(again).toStrictEqual(outcomes.slice(0, 3))
    expect(await entriesOf(world, userId)).toHaveLength(5)
  })

  test('that come twice take effect once, and with other input are a conflict', async () => {
    const { userId } = await createWallet(world, 100)
    const idempotencyKey = newKey()
    const { outcomes } = await together(userId, [
      { kind: 'withdraw', amount: 5, idempotencyKey },
      { kind: 'withdraw', amount: 5, idempotencyKey },
      { kind: 'withdraw', amount: 6, idempotencyKey },
      { kind: 'credit', amount: 1, idempotencyKey },
    ])
    expect(outcomes[1]).toStrictEqual(outcomes[0])
    expect(outcomes[2]).toMatchObject({ reason: expect.any(IdempotencyConflictError) as unknown })
    expect(outcomes[3]).toMatchObject({ status: 'fulfilled' })
    expect(await balanceOf(world, userId)).toBe(96)
  })

  test('of refused calls stay free', async () => {
    const { userId } = await createWallet(world, 3)
    const call: Call = { kind: 'withdraw', amount: 5, idempotencyKey: newKey() }
    const { outcomes } = await together(userId, [call, ...withdrawals(1)])
    expect(outcomes[0]).toMatchObject({ reason: expect.any(InsufficientBalanceError) as unknown })
    await credit(world.prisma, { userId, amount: 5 })
    expect((await together(userId, [call, ...withdrawals(1)])).outcomes.map(statusOf)).toEqual(['fulfilled', 'fulfilled'])
  })

  test('that someone else uses while the batch waits give that one’s result, though the money is gone', async () => {
    const { userId } = await createWallet(world, 5)
    const call = { amount: 5, idempotencyKey: newKey() }
    const holder = await held(world.other, (tx) => withdraw(tx, { userId, ...call }))
    const batch = together(userId, [{ kind: 'withdraw', ...call }, ...withdrawals(1)])
    expect(await waitUntilSessionsBlocked(database.sql, 1)).toMatchObject([{ blockedBy: [holder.pid] }])
    await holder.commit()
    const { outcomes } = await batch
    expect(outcomes[0]).toStrictEqual({ status: 'fulfilled', value: holder.result })
    expect(outcomes[1]).toMatchObject({ reason: expect.any(InsufficientBalanceError) as unknown })
  })

  test('that someone else has recorded while the batch waited are passed over by a second statement', async () => {
    const { userId, walletId } = await createWallet(world, 100)
    const call = { amount: 5, idempotencyKey: newKey() }
    const holder = await held(world.other, (tx) => withdraw(tx, { userId, ...call }))
    const batch = together(userId, [...withdrawals(2), { kind: 'withdraw', ...call }])
    await waitUntilSessionsBlocked(database.sql, 1)
    await holder.commit()
    const { outcomes, statements } = await batch
    expect(statements.slice(0, 3).map(isBatch)).toEqual([true, true, false])
    expect(outcomes.map(statusOf)).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
    expect(outcomes[2]).toStrictEqual({ status: 'fulfilled', value: holder.result })
    await checkLedger(world.other, { walletId, successes: 4 })
  })
})

test('a batch waits for a lock held outside, and decides on what that left', async () => {
  const { userId, walletId } = await createWallet(world, 100)
  const holder = await held(world.other, (tx) => withdraw(tx, { userId, amount: 98 }))
  const batch = together(userId, withdrawals(3))
  const [blocked] = await waitUntilSessionsBlocked(database.sql, 1)
  expect(blocked).toMatchObject({ blockedBy: [holder.pid], query: expect.stringMatching(/^WITH RECURSIVE/) as unknown })
  await holder.commit()
  const { outcomes, statements } = await batch
  expect(outcomes.map(statusOf)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
  expect((outcomes[2] as PromiseRejectedResult).reason).toMatchObject({ code: 'INSUFFICIENT_BALANCE', balance: new Decimal(0) })
  expect(statements).toHaveLength(1)
  await checkLedger(world.other, { walletId, successes: 4 })
})

test('a movement that the database itself refuses fails alone', async () => {
  const { userId, walletId } = await createWallet(world, 100)
  await database.sql`ALTER TABLE "WalletEntry" ADD CONSTRAINT "no_thirteen" CHECK (amount <> -13) NOT VALID`
  try {
    const { outcomes } = await together(userId, [...withdrawals(2), { kind: 'withdraw', amount: 13 }, ...withdrawals(1)])
    expect(outcomes.map(statusOf)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
    expect(await balanceOf(world, userId)).toBe(97)
    await checkLedger(world.other, { walletId, successes: 4 })
  } finally {
    await database.sql`ALTER TABLE "WalletEntry" DROP CONSTRAINT "no_thirteen"`
  }
})

test('1,000 mixed movements of one wallet by 4 processes all count, once each', async () => {
  const { userId, walletId } = await createWallet(world, 0)
  const { values, errors, fulfilled } = await raceProcesses<bigint>({
    processes: 4,
    requests: 1_000,
    module: new URL('../../support/repositories/coalesced-wallet.actor.ts', import.meta.url),
    exportName: 'move',
    input: { url: database.url, userId } satisfies WalletRace,
    deadline: 60_000,
  })
  expect(Object.keys(errors).filter((code) => code !== 'INSUFFICIENT_BALANCE')).toEqual([])
  expect(fulfilled).toBeGreaterThan(300)
  await checkLedger(world.other, { walletId, successes: new Set(values).size })
}, 90_000)

describe('a connection that dies', () => {
  /** A coalesced wallet whose first batches meet these fates, one each. */
  async function losing(fates: readonly Fate[], use: (own: Wallet) => Promise<void>): Promise<void> {
    await using proxy = await startTcpProxy(database.url)
    const pool = database.watch(new Pool({ connectionString: proxy.url, max: 2 }))
    pool.on('error', () => undefined)
    const prisma = new PrismaClient({ adapter: lockable(new PrismaPg(pool), { connection: database.url, ...POOLED }) }).$extends(rowLocks())
    const left = [...fates]
    proxy.fate = (data) => (data.includes('RECURSIVE') ? (left.shift() ?? 'pass') : 'pass')
    await use(createCoalesced(prisma, { coalesce: {} }))
    await pool.end()
  }

  test.each([
    ['deliver and cut', 1],
    ['cut', 0],
  ] as const)('around a batch (%s): every call without a key is ambiguous, and nothing is done twice', (fate, effects) =>
    losing([fate], async (own) => {
      const { userId } = await createWallet(world, 100)
      const outcomes = await Promise.allSettled([1, 2, 3].map((amount) => own.withdraw({ userId, amount })))
      const errors = outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason as unknown)
      for (const error of errors) expect(error).toBeInstanceOf(AmbiguousCommitError)
      expect(new Set(errors).size).toBe(3)
      // Waits for the batch, should it still be under way.
      await own.credit({ userId, amount: 1 })
      expect(await balanceOf(world, userId)).toBe(101 - 6 * effects)
      await checkLedger(world.other)
    }),
  )

  test.each(['deliver and cut', 'cut'] as const)(
    'around a batch (%s) of calls with keys: each takes effect once, and has its result',
    (fate) =>
      losing([fate], async (own) => {
        const { userId, walletId } = await createWallet(world, 100)
        const calls = [1, 2, 3].map((amount) => ({ userId, amount, idempotencyKey: newKey() }))
        const results = await Promise.all(calls.map((input) => own.withdraw(input)))
        expect(results.map(({ entry }) => Number(entry.amount))).toEqual([-1, -2, -3])
        expect(await balanceOf(world, userId)).toBe(94)
        await checkLedger(world.other, { walletId, successes: 4 })
      }),
  )
})

test('the broken twin, which reads the wallet without a lock, loses movements, and the ledger shows it', async () => {
  const { userId, walletId } = await createWallet(world, 1_000)
  const unlocked = () =>
    coalesce<number, number>({
      key: () => userId,
      apply: async (amounts) => {
        const { balance } = await world.prisma.wallet.findUniqueOrThrow({ where: { userId } })
        // As two processes do whose reads meet.
        await bothHaveRead()
        return world.prisma.$transaction(async (tx) => {
          const outcomes: PromiseSettledResult<number>[] = []
          let left = balance
          for (const amount of amounts) {
            left = left.minus(amount)
            await tx.walletEntry.create({ data: { walletId, kind: 'WITHDRAWAL', amount: -amount, balance: left } })
            outcomes.push({ status: 'fulfilled', value: Number(left) })
          }
          await tx.wallet.update({ where: { userId }, data: { balance: left } })
          return outcomes
        })
      },
    })
  let reads = 0
  let meet!: () => void
  const met = new Promise<void>((resolve) => (meet = resolve))
  const bothHaveRead = () => {
    if (++reads === 2) meet()
    return met
  }
  const [one, two] = [unlocked(), unlocked()]
  await Promise.all([one(1), one(2), two(3), two(4)])
  await expect(checkLedger(world.other, { walletId })).rejects.toThrow(/ledger is not consistent/)
  await database.sql`TRUNCATE "Wallet" CASCADE`
})
