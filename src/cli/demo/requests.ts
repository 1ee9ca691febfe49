/**
 * What request number `index` of a race asks for, the same for the naive and the locked side; and the
 * rows that a race is about, as plain data for its worker processes.
 */
import type { Transfer } from './transfer.js'

export interface SignInRows {
  readonly userId: number
}

export interface TicketRows {
  readonly eventId: number
  readonly userIds: readonly number[]
}

export interface WithdrawRows {
  readonly userId: number
  readonly amount: number
}

export interface CounterRows {
  readonly company: string
}

export interface OrderRows {
  readonly userIds: readonly number[]
  readonly amount: number
}

export interface TransferRows {
  readonly userIds: readonly [one: number, other: number]
  readonly amount: number
}

export function toPurchase({ eventId, userIds }: TicketRows, index: number): { eventId: number; userId: number } {
  return { eventId, userId: pick(userIds, index) }
}

/** Three of four, in each of two processes, to which the requests are dealt in turn. */
export function isIncrement(index: number): boolean {
  return index % 8 < 6
}

export function toOrder({ userIds, amount }: OrderRows, index: number): { userId: number; orderId: string; amount: number } {
  const userId = pick(userIds, Math.floor(index / 2))
  return { userId, orderId: `user-${userId}-order-${index}`, amount }
}

export function toTransfer({ userIds: [one, other], amount }: TransferRows, index: number): Transfer {
  const [fromUserId, toUserId] = index % 2 === 0 ? [one, other] : [other, one]
  return { fromUserId, toUserId, amount }
}

function pick(ids: readonly number[], index: number): number {
  return ids[index % ids.length]!
}
