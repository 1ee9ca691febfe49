import { Decimal } from '@prisma/client/runtime/client'
import { driverErrorCause } from '../core/error-sql-state.js'
import { AmbiguousCommitError, IdempotencyConflictError, isRowLockError } from '../core/errors.js'
import { isInstance } from '../core/option-checks.js'
import { assertRowLocksClient } from '../extension/row-locks-client.js'
import { digestOf } from '../idempotency/once.js'
import { runUntilKnown } from '../idempotency/run-until-known.js'
import { coalesce } from '../transaction/coalesce.js'
import { refuseNesting } from '../transaction/transaction-scope.js'
import { isTransactionClient } from '../transaction/transaction-client.js'
import { couponValue, parseCouponTable } from './coupon-table.js'
import { InsufficientBalanceError, LimitExceededError } from './errors.js'
import { readOptions } from './input-checks.js'
import { MAX_AMOUNT } from './money.js'
import { type MovementRow, MOVEMENTS, MOVEMENTS_ONCE } from './movements-statement.js'
import { runStatement } from './one-statement.js'
import type { RepositoryClient } from './repository-client.js'
import {
  credit,
  type CreditInput,
  type CreditOptions,
  type CreditResult,
  inputOf,
  type Movement,
  parseMovement,
  withdraw,
  type WithdrawInput,
  type WithdrawResult,
} from './wallet.js'

/** Options of {@link createWallet}. */
export interface WalletOptions extends CreditOptions {
  /** How calls for one wallet are put together. Default: not at all, each is on its own. */
  readonly coalesce?: {
    /** How many calls one transaction takes, at most: 1 to 10,000. Default: 100. */
    readonly max?: number
  }
}

/** The operations on wallets, of one client. */
export interface Wallet {
  /** `credit` of `rowlock/repositories`, with this wallet's coupons. */
  credit(input: CreditInput): Promise<CreditResult>
  /** `withdraw` of `rowlock/repositories`. */
  withdraw(input: WithdrawInput): Promise<WithdrawResult>
}

interface Request {
  readonly kind: 'CREDIT' | 'WITHDRAWAL'
  readonly movement: Movement
  readonly coupon: Decimal | null
}

type Client = Parameters<typeof createWallet>[0]
type Result = CreditResult | WithdrawResult
type Outcome = PromiseSettledResult<Result>

/**
 * `credit` and `withdraw` for a hot wallet: with `coalesce`, the calls that come for one wallet while another
 * is under way share its next transaction, which is one statement: it locks the wallet once, applies them in
 * the order in which they came, and writes one UPDATE and one INSERT of each kind. Each call gets its own
 * result or its own refusal, as if it had run alone.
 *
 * Between processes the wallet's row lock decides. A call waits for its turn and then at most as long as it
 * would alone; a lock that the batch waited for in vain is a `LockTimeoutError` for each of its calls.
 *
 * An `idempotencyKey` means what it means alone. What the batch cannot answer runs alone and after it: a
 * repeated key, a keyed call that was refused, and the first credit, which opens the wallet.
 *
 * @param prisma A client with `rowLocks()`. With the client of a transaction nothing is put together.
 * @throws {InvalidOptionError} when an option is not allowed. The calls throw what `credit` and `withdraw` do;
 *   an `AmbiguousCommitError` goes to every call of a batch that has no `idempotencyKey`.
 * @example
 * ```ts
 * const wallet = createWallet(prisma, { coalesce: { max: 100 } })
 * await Promise.all([wallet.withdraw({ userId: 1, amount: 5 }), wallet.credit({ userId: 1, amount: 20 })])
 * ```
 */
export function createWallet(
  prisma: RepositoryClient<'user' | 'wallet' | 'walletEntry' | 'coupon' | 'idempotencyRecord'>,
  options: WalletOptions = {},
): Wallet {
  assertRowLocksClient(prisma, 'prisma')
  options = readOptions(options, ['coupons', 'coalesce'], 'options')
  const { coalesce: together, ...creditOptions } = options
  const coupons = parseCouponTable(options.coupons)
  const alone: Wallet = { credit: (input) => credit(prisma, input, creditOptions), withdraw: (input) => withdraw(prisma, input) }
  const batches = together === undefined ? undefined : readOptions(together, ['max'], 'coalesce')
  const join = batches && coalesce<Request, Result>({ max: batches.max, key: userOf, apply: (batch) => applyAll(prisma, alone, batch) })
  if (!join || isTransactionClient(prisma)) return alone

  const move = async (request: Request): Promise<Result> => {
    refuseNesting(prisma)
    // A batch whose answer was lost may still wait in the server for the lock, and succeed after a refusal.
    return request.movement.idempotencyKey === undefined ? join(request) : runUntilKnown(() => join(request), isConflict)
  }
  return {
    async credit(input) {
      const movement = parseMovement(input)
      return (await move({ kind: 'CREDIT', movement, coupon: couponValue(movement.amount, coupons) ?? null })) as CreditResult
    },
    async withdraw(input) {
      return move({ kind: 'WITHDRAWAL', movement: parseMovement(input), coupon: null })
    },
  }
}

/** As one statement, as far as that has the answers; the rest one by one. */
async function applyAll(prisma: Client, alone: Wallet, requests: readonly Request[]): Promise<Outcome[]> {
  const batch = requests.length > 1 ? firstOfEachKey(requests) : []
  const rows = (await runBatch(prisma, batch)) ?? []
  const outcomes = new Map(rows.map((row, index) => [batch[index]!, toOutcome(row, batch[index]!)]))
  const answers: Outcome[] = []
  for (const request of requests) answers.push(outcomes.get(request) ?? (await runAlone(alone, request)))
  return answers
}

/** Of calls with the same key only the first is put into a batch: the others are to find its record. */
function firstOfEachKey(requests: readonly Request[]): Request[] {
  const seen = new Set<string>()
  return requests.filter(({ kind, movement: { idempotencyKey: key } }) => {
    if (key === undefined) return true
    const isFirst = !seen.has(`${kind} ${key}`)
    seen.add(`${kind} ${key}`)
    return isFirst
  })
}

async function runBatch(prisma: Client, batch: readonly Request[]): Promise<MovementRow[] | undefined> {
  if (batch.length < 2) return undefined
  const keyed = batch.some(({ movement }) => movement.idempotencyKey !== undefined)
  const values = keyed ? [...toValues(batch), ...toKeys(batch)] : toValues(batch)
  const send = () => runStatement<MovementRow>(prisma, keyed ? MOVEMENTS_ONCE : MOVEMENTS, values)
  try {
    // Of a key that was recorded while the batch waited for the wallet the second statement knows.
    return (await send()) ?? (await send())
  } catch (error) {
    if (isRowLockError(error) || driverErrorCause(error)) throw error
    // Not the server's answer: it may have committed what could not be read here.
    throw new AmbiguousCommitError('The answer to a batch could not be read: it may have been committed.', { cause: error })
  }
}

function toValues(batch: readonly Request[]): unknown[] {
  const signed = ({ kind, movement: { amount } }: Request) => (kind === 'CREDIT' ? amount : amount.negated()).toFixed()
  return [userOf(batch[0]!), batch.map(signed), batch.map(({ coupon }) => coupon?.toFixed() ?? null), MAX_AMOUNT.toFixed()]
}

function toKeys(batch: readonly Request[]): unknown[] {
  const digest = ({ movement }: Request) => (movement.idempotencyKey === undefined ? null : digestOf(inputOf(movement)))
  return [batch.map(({ movement }) => movement.idempotencyKey ?? null), batch.map(digest)]
}

async function runAlone(alone: Wallet, { kind, movement: { userId, amount, idempotencyKey } }: Request): Promise<Outcome> {
  const input = { userId, amount, ...(idempotencyKey !== undefined && { idempotencyKey }) }
  const [outcome] = await Promise.allSettled([kind === 'CREDIT' ? alone.credit(input) : alone.withdraw(input)])
  return outcome
}

/** @returns undefined for a keyed call that was not done: its key may have been used while the batch waited for the wallet. */
function toOutcome(row: MovementRow, request: Request): Outcome | undefined {
  if (row.done) return { status: 'fulfilled', value: toResult(row, request) }
  const { kind, movement } = request
  const { userId, amount, idempotencyKey } = movement
  if (idempotencyKey !== undefined) return undefined
  const reason =
    kind === 'CREDIT'
      ? new LimitExceededError('Wallet', { userId }, MAX_AMOUNT)
      : new InsufficientBalanceError(userId, new Decimal(row.balance), amount)
  return { status: 'rejected', reason }
}

function toResult({ id, walletId, createdAt, couponId, ...row }: MovementRow, { kind, movement, coupon }: Request): Result {
  const balance = new Decimal(row.balance)
  const amount = kind === 'CREDIT' ? movement.amount : movement.amount.negated()
  const entry = { id: id!, walletId, kind, amount, balance, createdAt }
  if (kind === 'WITHDRAWAL') return { balance, entry }
  return { balance, entry, coupon: couponId === null ? null : { id: couponId, walletId, entryId: id!, value: coupon!, createdAt } }
}

const userOf = ({ movement }: Request) => movement.userId

const isConflict = (error: unknown) => isInstance(error, IdempotencyConflictError)
