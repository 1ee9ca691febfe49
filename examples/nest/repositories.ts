import { Inject, Injectable } from '@nestjs/common'
import {
  buyTicket,
  type BuyTicketInput,
  credit,
  type CreditInput,
  type RepositoryClient,
  withdraw,
  type WithdrawInput,
} from 'rowlock/repositories'

/** The token of the Prisma client with row locks. */
export const PRISMA = Symbol('PRISMA')

/** Wallets, by the client of the application; in a transaction by its own: `new WalletRepository(tx)`. */
@Injectable()
export class WalletRepository {
  readonly #db: RepositoryClient

  constructor(@Inject(PRISMA) db: RepositoryClient) {
    this.#db = db
  }

  credit(input: CreditInput) {
    return credit(this.#db, input)
  }

  withdraw(input: WithdrawInput) {
    return withdraw(this.#db, input)
  }
}

/** Tickets, by the client of the application; in a transaction by its own: `new TicketRepository(tx)`. */
@Injectable()
export class TicketRepository {
  readonly #db: RepositoryClient

  constructor(@Inject(PRISMA) db: RepositoryClient) {
    this.#db = db
  }

  buy(input: BuyTicketInput) {
    return buyTicket(this.#db, input)
  }
}
