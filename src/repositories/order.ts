import { IdempotencyConflictError } from '../core/errors.js'
import type { Decimal } from '@prisma/client/runtime/client'
import { LimitExceededError, UserNotFoundError } from './errors.js'
import { readOptions, MAX_INT, parseId, parseText } from './input-checks.js'
import { type Amount, parseAmount } from './money.js'
import { runOneStatement } from './one-statement.js'
import { PLACE_ORDER } from './order-statement.js'
import type { OrderRow, RepositoryClient, RepositoryTransaction } from './repository-client.js'
import { runOperation } from './run-operation.js'

/** What to order. */
export interface PlaceOrderInput {
  readonly userId: number
  /** The order's id, which the caller chooses: 1 to 255 characters. It is also its idempotency key. */
  readonly orderId: string
  /** Above 0, with at most two decimals. */
  readonly amount: Amount
}

/** What was ordered, now or when the same order first came. */
export interface PlaceOrderResult {
  /** The order; `number` counts the user's orders from 1, without gaps. */
  readonly order: OrderRow
}

interface OrderRequest {
  readonly userId: number
  readonly orderId: string
  readonly amount: Decimal
}

type Tx = RepositoryTransaction<'user' | 'order'>

/**
 * Places an order and gives it the user's next number, without gaps. The same order sent again, also at
 * the same time or after a connection that died while committing, gives the first one's result.
 *
 * Locks the user (`forNoKeyUpdate`) until the transaction ends: one user's orders run one after another,
 * different users' in parallel, and rows that refer to the user can be inserted meanwhile.
 *
 * @param db A client with `rowLocks()`: the order is one statement, past the client's query extensions, and where
 *   its id or number is taken, a retried transaction that says by whom; or a transaction client: it joins that
 *   transaction.
 * @throws {UserNotFoundError} when there is no such user.
 * @throws {IdempotencyConflictError} when there is an order of this id with another user or amount.
 * @throws {LimitExceededError} after 2147483647 orders.
 * @throws {InvalidOptionError} for an argument that is not allowed; nothing was sent.
 * @throws What `$transactionWithRetry` throws.
 * @example
 * ```ts
 * const { order } = await placeOrder(prisma, { userId: 1, orderId: 'web-4711', amount: '49.90' })
 * console.log(`This is your order number ${order.number}`)
 * ```
 */
export async function placeOrder(db: RepositoryClient<'user' | 'order'>, input: PlaceOrderInput): Promise<PlaceOrderResult> {
  const request = parseRequest(input)
  const order = await runOperation(db, {
    row: ['User', request.userId],
    run: (tx) => runPlaceOrder(tx, request),
    runAtOnce: () => runOneStatement<OrderRow>(db, PLACE_ORDER, [request.userId, request.orderId, request.amount]),
    repeatable: true,
  })
  return { order }
}

async function runPlaceOrder(tx: Tx, request: OrderRequest): Promise<OrderRow> {
  const { userId, orderId, amount } = request
  const user = await tx.user.findUnique({ where: { id: userId }, lock: 'forNoKeyUpdate' })
  if (!user) throw new UserNotFoundError(userId)
  for (;;) {
    const first = await tx.order.findUnique({ where: { id: orderId } })
    if (first) return sameOrder(first, request)
    const number = await nextNumber(tx, userId)
    // The guard: the unique keys on the id and on user and number let one row in. None comes back when
    // another user took the id, or someone who takes no lock the number: look again.
    const [order] = await tx.order.createManyAndReturn({ data: { id: orderId, userId, number, amount }, skipDuplicates: true })
    if (order) return order
  }
}

async function nextNumber(tx: Tx, userId: number): Promise<number> {
  const last = await tx.order.findFirst({ where: { userId }, orderBy: { number: 'desc' } })
  const number = (last?.number ?? 0) + 1
  if (number > MAX_INT) throw new LimitExceededError('Order', { userId }, MAX_INT)
  return number
}

function sameOrder(first: OrderRow, { userId, orderId, amount }: OrderRequest): OrderRow {
  if (first.userId === userId && first.amount.equals(amount)) return first
  throw new IdempotencyConflictError('placeOrder', orderId)
}

function parseRequest(input: PlaceOrderInput): OrderRequest {
  input = readOptions(input, ['userId', 'orderId', 'amount'], 'input')
  return {
    userId: parseId(input.userId, 'userId'),
    orderId: parseText(input.orderId, 'orderId'),
    amount: parseAmount(input.amount, 'amount'),
  }
}
