import { decodeResult } from '../idempotency/result-codec.js'
import type { Decimal } from '@prisma/client/runtime/client'
import { type CouponTable, type CouponTier, couponValue, parseCouponTable } from './coupon-table.js'
import { InsufficientBalanceError, LimitExceededError, WalletNotFoundError } from './errors.js'
import { readOptions, parseId, parseText } from './input-checks.js'
import { type Amount, MAX_AMOUNT, parseAmount } from './money.js'
import type { CouponRow, RepositoryClient, RepositoryTransaction, WalletEntryRow, WalletRow } from './repository-client.js'
import { runOneStatement } from './one-statement.js'
import { runOperation, runOperationOnce } from './run-operation.js'
import { keepUser } from './user.js'
import { CREDIT, CREDIT_ONCE, CREDIT_WITH_COUPON, type EntryNews, WITHDRAW, WITHDRAW_ONCE } from './wallet-statements.js'

/** Whom to credit, and with what. */
export interface CreditInput {
  readonly userId: number
  /** Above 0, with at most two decimals. */
  readonly amount: Amount
  /**
   * Names this credit, so that it may be sent again: the same key with the same user and amount gives
   * the first one's result. 1 to 255 characters.
   */
  readonly idempotencyKey?: string
}

/** How `credit` rewards. */
export interface CreditOptions {
  /**
   * Which credits earn a coupon; the highest tier that the amount reaches counts. Default: 5 from 100,
   * 20 from 300, 50 from 500. `[]` for no coupons.
   */
  readonly coupons?: readonly CouponTier[]
}

/** What a credit has done. */
export interface CreditResult {
  /** The balance with the amount in it. */
  readonly balance: Decimal
  /** The ledger entry; its amount is positive. */
  readonly entry: WalletEntryRow
  /** The coupon that the amount earned, if any. */
  readonly coupon: CouponRow | null
}

/** From whom to withdraw, and what. */
export interface WithdrawInput {
  readonly userId: number
  /** Above 0, with at most two decimals. */
  readonly amount: Amount
  /** As for a credit. The same key may name a credit and a withdrawal. */
  readonly idempotencyKey?: string
}

/** What a withdrawal has done. */
export interface WithdrawResult {
  /** The balance without the amount. */
  readonly balance: Decimal
  /** The ledger entry; its amount is negative. */
  readonly entry: WalletEntryRow
}

export interface Movement {
  readonly userId: number
  readonly amount: Decimal
  readonly idempotencyKey: string | undefined
}

type Tx = RepositoryTransaction<'user' | 'wallet' | 'walletEntry' | 'coupon'>

/** A key and the digest of its input, or nothing without a key. */
type KeyValues = readonly string[]

interface Forms<R> {
  readonly run: (tx: Tx) => Promise<R>
  readonly runAtOnce: (...key: KeyValues) => Promise<R | undefined>
}

/**
 * Adds an amount to a user's wallet, which the first credit opens, writes the ledger entry, and grants the
 * coupon that the amount earns. Of credits that run at once every one counts, first ones included.
 *
 * Locks the wallet (`forNoKeyUpdate`) until the transaction ends: movements of one wallet run one after
 * another, those of other wallets are not affected.
 *
 * @param db A client with `rowLocks()`: the credit is one statement, past the client's query extensions; a first or
 *   a refused credit, and one that was made under its key before, get a retried transaction. With an idempotency key
 *   it also survives a connection that dies while committing. Or a transaction client: it joins that transaction.
 * @throws {UserNotFoundError} when there is no such user.
 * @throws {LimitExceededError} when the wallet cannot hold the amount.
 * @throws {IdempotencyConflictError} when the key was used for another credit.
 * @throws {InvalidOptionError} for an argument that is not allowed; nothing was sent.
 * @throws What `$transactionWithRetry` throws.
 * @example
 * ```ts
 * const { balance, coupon } = await credit(prisma, { userId: 1, amount: '300.00', idempotencyKey: 'payment-7' })
 * console.log(balance.toFixed(2), coupon?.value.toFixed(2)) // 300.00 20.00
 * ```
 */
export async function credit(
  db: RepositoryClient<'user' | 'wallet' | 'walletEntry' | 'coupon' | 'idempotencyRecord'>,
  input: CreditInput,
  options: CreditOptions = {},
): Promise<CreditResult> {
  const movement = parseMovement(input)
  options = readOptions(options, ['coupons'], 'options')
  const coupons = parseCouponTable(options.coupons)
  return runMovement(db, 'credit', movement, {
    run: (tx) => runCredit(tx, movement, coupons),
    runAtOnce: (...key) => creditAtOnce(db, movement, coupons, key),
  })
}

async function creditAtOnce(
  db: unknown,
  { userId, amount }: Movement,
  coupons: CouponTable,
  key: KeyValues,
): Promise<CreditResult | undefined> {
  const value = couponValue(amount, coupons) ?? null
  const news =
    key.length === 0 && value === null
      ? await runOneStatement<EntryNews & { coupon?: unknown }>(db, CREDIT, [userId, amount])
      : await runOneStatement<EntryNews & { coupon?: unknown }>(db, key.length > 0 ? CREDIT_ONCE : CREDIT_WITH_COUPON, [
          userId,
          amount,
          value,
          ...key,
        ])
  if (!news) return undefined
  const { coupon = null, ...entry } = news
  return { ...moved(entry, 'CREDIT', amount), coupon: decodeResult(coupon) as CouponRow | null }
}

async function runCredit(tx: Tx, { userId, amount }: Movement, coupons: CouponTable): Promise<CreditResult> {
  const { id } = (await lockWallet(tx, userId)) ?? (await openWallet(tx, userId))
  // The guard: the database adds to what the row holds now, whatever was read before.
  const [wallet] = await tx.wallet.updateManyAndReturn({
    where: { id, balance: { lte: MAX_AMOUNT.minus(amount) } },
    data: { balance: { increment: amount } },
  })
  if (!wallet) throw new LimitExceededError('Wallet', { userId }, MAX_AMOUNT)

  const { balance } = wallet
  const entry = await tx.walletEntry.create({ data: { walletId: id, kind: 'CREDIT', amount, balance } })
  const value = couponValue(amount, coupons)
  const coupon = value ? await tx.coupon.create({ data: { walletId: id, entryId: entry.id, value } }) : null
  return { balance, entry, coupon }
}

/**
 * Takes an amount out of a user's wallet and writes the ledger entry, or refuses: a wallet is never
 * overdrawn, however many calls run at once.
 *
 * Locks the wallet (`forNoKeyUpdate`) until the transaction ends: movements of one wallet run one after
 * another, those of other wallets are not affected.
 *
 * @param db A client with `rowLocks()`: the withdrawal is one statement, past the client's query extensions; a
 *   refused one, and one that was made under its key before, get a retried transaction. With an idempotency key it
 *   also survives a connection that dies while committing. Or a transaction client: it joins that transaction.
 * @throws {InsufficientBalanceError} with the balance and the amount.
 * @throws {WalletNotFoundError} when the user has no wallet.
 * @throws {IdempotencyConflictError} when the key was used for another withdrawal.
 * @throws {InvalidOptionError} for an argument that is not allowed; nothing was sent.
 * @throws What `$transactionWithRetry` throws.
 * @example
 * ```ts
 * const { balance } = await withdraw(prisma, { userId: 1, amount: '19.99' })
 * console.log(`${balance.toFixed(2)} left`)
 * ```
 */
export async function withdraw(
  db: RepositoryClient<'wallet' | 'walletEntry' | 'idempotencyRecord'>,
  input: WithdrawInput,
): Promise<WithdrawResult> {
  const movement = parseMovement(input)
  return runMovement(db, 'withdraw', movement, {
    run: (tx) => runWithdraw(tx, movement),
    runAtOnce: (...key) => withdrawAtOnce(db, movement, key),
  })
}

async function withdrawAtOnce(db: unknown, { userId, amount }: Movement, key: KeyValues): Promise<WithdrawResult | undefined> {
  const template = key.length > 0 ? WITHDRAW_ONCE : WITHDRAW
  const news = await runOneStatement<EntryNews>(db, template, [userId, amount, ...key])
  return news && moved(news, 'WITHDRAWAL', amount.negated())
}

async function runWithdraw(tx: Tx, { userId, amount }: Movement): Promise<WithdrawResult> {
  const locked = await lockWallet(tx, userId)
  if (!locked) throw new WalletNotFoundError(userId)
  // The guard: the check and the change are one statement, right also for a row that nobody had locked.
  const [wallet] = await tx.wallet.updateManyAndReturn({
    where: { id: locked.id, balance: { gte: amount } },
    data: { balance: { decrement: amount } },
  })
  if (!wallet) throw new InsufficientBalanceError(userId, locked.balance, amount)

  const { id, balance } = wallet
  const entry = await tx.walletEntry.create({ data: { walletId: id, kind: 'WITHDRAWAL', amount: amount.negated(), balance } })
  return { balance, entry }
}

function moved(news: EntryNews, kind: WalletEntryRow['kind'], amount: Decimal): WithdrawResult {
  const { id, walletId, balance, createdAt } = news
  return { balance, entry: { id, walletId, kind, amount, balance, createdAt } }
}

function lockWallet(tx: Tx, userId: number): PromiseLike<WalletRow | null> {
  return tx.wallet.findUnique({ where: { userId }, lock: 'forNoKeyUpdate' })
}

/** Of two first credits at once the second waits in its insert, and then finds the first one's wallet. */
async function openWallet(tx: Tx, userId: number): Promise<WalletRow> {
  await keepUser(tx, userId)
  for (;;) {
    await tx.wallet.createMany({ data: { userId }, skipDuplicates: true })
    const wallet = await lockWallet(tx, userId)
    if (wallet) return wallet
  }
}

export function parseMovement(input: CreditInput | WithdrawInput): Movement {
  input = readOptions(input, ['userId', 'amount', 'idempotencyKey'], 'input')
  return {
    userId: parseId(input.userId, 'userId'),
    amount: parseAmount(input.amount, 'amount'),
    idempotencyKey: input.idempotencyKey === undefined ? undefined : parseText(input.idempotencyKey, 'idempotencyKey'),
  }
}

function runMovement<R>(
  db: unknown,
  name: string,
  { userId, amount, idempotencyKey: key }: Movement,
  { run, runAtOnce }: Forms<R>,
): Promise<R> {
  const row = ['Wallet', userId] as const
  if (key === undefined) return runOperation(db, { row, run, runAtOnce })
  return runOperationOnce(db, { row, name, key, input: inputOf({ userId, amount }), run, runAtOnce: (digest) => runAtOnce(key, digest) })
}

/** What must be the same under the same key. */
export const inputOf = ({ userId, amount }: Pick<Movement, 'userId' | 'amount'>) => ({ userId, amount: amount.toFixed(2) })
