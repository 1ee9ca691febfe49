import { Prisma } from '../../../src/generated/prisma/client.js'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  credit,
  InsufficientBalanceError,
  LimitExceededError,
  UserNotFoundError,
  WalletNotFoundError,
  withdraw,
} from 'rowlock/repositories'
import { naiveTransfer } from '../../../examples/naive/transfer.js'
import { naiveCredit, naiveWithdraw } from '../../../examples/naive/wallet.js'
import { transfer } from '../../../examples/transfer.js'
import { checkLedger } from '../../../src/harness/check-ledger.js'
import { useDatabase } from '../../support/database.js'
import { meetingAfter, readingTogether } from '../../support/repositories/plain-client.js'
import { LOST, raceFirstCredits, raceWithdrawals } from '../../support/repositories/races.js'
import { balanceOf, createUser, createWallet, createWorld, WAYS, entriesOf, type World } from '../../support/repositories/world.js'

const database = useDatabase()
let world: World

describe.each(WAYS)('%s', (way) => {
  beforeAll(() => {
    world = createWorld(database, undefined, way)
  })

  const { Decimal } = Prisma

  test('a first credit opens the wallet and writes the ledger', async () => {
    const userId = await createUser(world)
    const { balance, entry, coupon } = await world.run((db) => credit(db, { userId, amount: '10.50' }))
    expect(balance).toEqual(new Decimal('10.50'))
    expect(coupon).toBeNull()
    const wallet = await world.other.wallet.findUnique({ where: { userId } })
    expect(await entriesOf(world, userId)).toEqual([entry])
    expect(entry).toMatchObject({ walletId: wallet?.id, kind: 'CREDIT', amount: new Decimal('10.50'), balance: new Decimal('10.50') })
  })

  test.each([10, '10', '10.0', '10.00', new Decimal(10)])('takes the amount %o', async (amount) => {
    const { userId } = await createWallet(world, 0)
    await world.run((db) => credit(db, { userId, amount }))
    expect(await balanceOf(world, userId)).toBe(10)
  })

  test.each([
    ['99.99', null],
    [100, 5],
    ['299.99', 5],
    [300, 20],
    ['499.99', 20],
    [500, 50],
    [1000, 50],
    ['1000.01', 50],
  ])('a credit of %s earns the coupon %s', async (amount, value) => {
    const userId = await createUser(world)
    const { coupon, entry } = await world.run((db) => credit(db, { userId, amount }))
    expect(coupon && { value: Number(coupon.value), entryId: coupon.entryId }).toEqual(value && { value, entryId: entry.id })
    expect(await world.other.coupon.findMany({ where: { wallet: { userId } } })).toEqual(coupon ? [coupon] : [])
  })

  test('the coupon table is replaceable, in any order', async () => {
    const coupons = [
      { from: '20.50', value: '2.50' },
      { from: 10, value: 1 },
    ]
    const earned = async (amount: string) =>
      (await world.run(async (db) => credit(db, { userId: await createUser(world), amount }, { coupons }))).coupon
    expect(Number((await earned('20.50'))?.value)).toBe(2.5)
    expect(Number((await earned('20.49'))?.value)).toBe(1)
    expect(await earned('9.99')).toBeNull()
    expect((await world.run(async (db) => credit(db, { userId: await createUser(world), amount: 500 }, { coupons: [] }))).coupon).toBeNull()
  })

  test('a credit that the wallet cannot hold is an error of its own', async () => {
    const userId = await createUser(world)
    await world.run((db) => credit(db, { userId, amount: '9999999999999999.98' }))
    await expect(world.run((db) => credit(db, { userId, amount: '0.02' }))).rejects.toBeInstanceOf(LimitExceededError)
    await expect(world.run((db) => credit(db, { userId, amount: '0.01' }))).resolves.toMatchObject({
      balance: new Decimal('9999999999999999.99'),
    })
  })

  test('a credit for a user that does not exist is an error of its own, and no statement fails', async () => {
    await world.prisma.$transaction(async (tx) => {
      await expect(credit(tx, { userId: 999_999, amount: 1 })).rejects.toBeInstanceOf(UserNotFoundError)
      await tx.$queryRaw`SELECT 1`
    })
  })

  test('withdraw takes the amount off and writes the ledger', async () => {
    const { userId, walletId } = await createWallet(world, 100)
    const { balance, entry } = await world.run((db) => withdraw(db, { userId, amount: '19.99' }))
    expect(balance).toEqual(new Decimal('80.01'))
    expect(entry).toMatchObject({ walletId, kind: 'WITHDRAWAL', amount: new Decimal('-19.99'), balance: new Decimal('80.01') })
    expect((await entriesOf(world, userId)).at(-1)).toEqual(entry)
  })

  test('withdraw refuses to overdraw with the balance and the amount, and takes all there is', async () => {
    const { userId } = await createWallet(world, 10)
    const refused = world.run((db) => withdraw(db, { userId, amount: '10.01' }))
    await expect(refused).rejects.toBeInstanceOf(InsufficientBalanceError)
    await expect(refused).rejects.toMatchObject({
      code: 'INSUFFICIENT_BALANCE',
      userId,
      balance: new Decimal(10),
      amount: new Decimal('10.01'),
    })
    await expect(world.run((db) => withdraw(db, { userId, amount: 10 }))).resolves.toMatchObject({ balance: new Decimal(0) })
    await checkLedger(world.other)
  })

  test('withdraw without a wallet is an error of its own', async () => {
    const userId = await createUser(world)
    await expect(world.run((db) => withdraw(db, { userId, amount: 1 }))).rejects.toBeInstanceOf(WalletNotFoundError)
  })

  test('both join an open transaction, which undoes all of it', async () => {
    const userId = await createUser(world)
    const undone = world.prisma.$transaction(async (tx) => {
      await credit(tx, { userId, amount: 500 })
      const { balance } = await withdraw(tx, { userId, amount: 200 })
      expect(Number(balance)).toBe(300)
      throw new Error('undo')
    })
    await expect(undone).rejects.toThrow('undo')
    expect(await world.other.wallet.findUnique({ where: { userId } })).toBeNull()
  })

  test('a refusal in an open transaction leaves it as it was', async () => {
    const { userId } = await createWallet(world, 10)
    await world.prisma.$transaction(async (tx) => {
      await expect(withdraw(tx, { userId, amount: 11 })).rejects.toBeInstanceOf(InsufficientBalanceError)
      await withdraw(tx, { userId, amount: 1 })
    })
    expect(await balanceOf(world, userId)).toBe(9)
  })

  test('of 10 first credits at once every one counts', async () => {
    await raceFirstCredits(world, (input) => world.run((db) => credit(db, input)))
  })

  test('of 16 withdrawals of 10 from 100 at once, 10 get their money and the others are told why', async () => {
    const { errors } = await raceWithdrawals(world, (input) => world.run((db) => withdraw(db, input)))
    expect(errors.every((error) => error instanceof InsufficientBalanceError)).toBe(true)
  })

  test('the naive twins lose the same races', async () => {
    const [crediting, withdrawing] = [readingTogether(world.prisma, 10), readingTogether(world.prisma, 16)]
    await expect(raceFirstCredits(world, (input) => naiveCredit(crediting, input))).rejects.toThrow(LOST)
    await expect(raceWithdrawals(world, (input) => naiveWithdraw(withdrawing, input))).rejects.toThrow(LOST)
    await database.sql`TRUNCATE "Wallet" CASCADE`
  })

  test('transfers in opposite directions all go through when the wallets are locked in order', async () => {
    const [a, b] = [await createWallet(world, 100), await createWallet(world, 100)]
    const there = { fromUserId: a.userId, toUserId: b.userId, amount: 1 }
    const back = { fromUserId: b.userId, toUserId: a.userId, amount: 1 }
    await Promise.all(Array.from({ length: 16 }, (_, index) => transfer(world.prisma, index % 2 ? there : back)))
    expect([await balanceOf(world, a.userId), await balanceOf(world, b.userId)]).toEqual([100, 100])
    await checkLedger(world.other)
  })

  test('the naive transfers in opposite directions deadlock', async () => {
    const [a, b] = [await createWallet(world, 100), await createWallet(world, 100)]
    const plain = meetingAfter(world.prisma, /^update$/, 2)
    const there = { fromUserId: a.userId, toUserId: b.userId, amount: 1 }
    const back = { fromUserId: b.userId, toUserId: a.userId, amount: 1 }
    const results = await Promise.allSettled([naiveTransfer(plain, there), naiveTransfer(plain, back)])
    const errors = results.flatMap((result) => (result.status === 'rejected' ? [(result.reason as { code?: string }).code] : []))
    expect(errors).toContain('DEADLOCK')
  })
})
