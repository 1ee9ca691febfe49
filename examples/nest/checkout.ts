import { Inject, Injectable } from '@nestjs/common'
import { once } from 'rowlock/lockers'
import type { Prisma } from '../client.js'
import { ownKey, type Purchase } from '../http/operations.js'
import { PRISMA, TicketRepository, WalletRepository } from './repositories.js'

const PRICE = '20.00'

/** A ticket and its price, in one transaction of two repositories: nobody pays for a ticket that is not there. */
@Injectable()
export class Checkout {
  readonly #prisma: Prisma

  constructor(@Inject(PRISMA) prisma: Prisma) {
    this.#prisma = prisma
  }

  buyTicket({ userId, eventId, idempotencyKey }: Purchase) {
    const input = { userId, eventId }
    return once(this.#prisma, ownKey(userId, idempotencyKey), input, async (tx) => {
      const { balance } = await new WalletRepository(tx).withdraw({ userId, amount: PRICE })
      const { ticket } = await new TicketRepository(tx).buy(input)
      return { ticketId: ticket.id, eventId, balance: balance.toFixed(2) }
    })
  }
}
