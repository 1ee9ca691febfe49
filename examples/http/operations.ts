import { once } from 'rowlock/lockers'
import { buyTicket, credit, signIn, withdraw } from 'rowlock/repositories'
import type { Prisma } from '../client.js'

/** What the service does, in values that JSON has. */
export interface Operations {
  signIn(input: { userId: number }): Promise<object>
  credit(input: Movement): Promise<object>
  withdraw(input: Movement): Promise<object>
  buyTicket(input: Purchase): Promise<object>
}

export interface Movement {
  readonly userId: number
  readonly amount: string | number
  readonly idempotencyKey: string
}

export interface Purchase {
  readonly userId: number
  readonly eventId: number
  readonly idempotencyKey: string
}

/** The repositories of rowlock, as operations of the service. */
export function createOperations(prisma: Prisma): Operations {
  return {
    async signIn({ userId }) {
      const { day, nextDayStartsAt, quota } = await signIn(prisma, { userId })
      return { day, nextDayStartsAt, remaining: quota.remaining }
    },

    async credit({ userId, amount, idempotencyKey }) {
      const result = await credit(prisma, { userId, amount, idempotencyKey: ownKey(userId, idempotencyKey) })
      return { ...moved(result), coupon: result.coupon ? result.coupon.value.toFixed(2) : null }
    },

    async withdraw({ userId, amount, idempotencyKey }) {
      return moved(await withdraw(prisma, { userId, amount, idempotencyKey: ownKey(userId, idempotencyKey) }))
    },

    async buyTicket({ userId, eventId, idempotencyKey }) {
      const input = { userId, eventId }
      const { ticket } = await once(prisma, ownKey(userId, idempotencyKey), input, (tx) => buyTicket(tx, input), {
        operation: 'buyTicket',
        // The buyers of one event queue in this process, for two connections, and not in the database for all of them.
        gate: `event ${eventId}`,
      })
      return { ticketId: ticket.id, eventId, soldAt: ticket.soldAt }
    },
  }
}

/** A key is its user's own: nobody can use up, or ask about, the keys of somebody else. */
export const ownKey = (userId: number, key: string) => `user ${userId} ${key}`

/** Amounts are text, as a number of JSON is not exact; so is the id, which is a bigint. */
export function moved({ balance, entry }: Awaited<ReturnType<typeof withdraw>>) {
  return { entryId: String(entry.id), amount: entry.amount.toFixed(2), balance: balance.toFixed(2) }
}
