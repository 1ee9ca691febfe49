import { Body, Controller, HttpCode, Inject, Post } from '@nestjs/common'
import { moved, ownKey } from '../http/operations.js'
import { type Body as Fields, parseId } from '../http/request-body.js'
import { Checkout } from './checkout.js'
import { IdempotencyKey } from './idempotency-key.js'
import { WalletRepository } from './repositories.js'

@Controller('wallet')
export class WalletController {
  readonly #wallets: WalletRepository

  constructor(@Inject(WalletRepository) wallets: WalletRepository) {
    this.#wallets = wallets
  }

  @Post('withdraw')
  @HttpCode(200)
  async withdraw(@Body() body: Fields | undefined, @IdempotencyKey() key: string) {
    const userId = parseId(body?.userId, 'userId')
    return moved(await this.#wallets.withdraw({ userId, amount: body?.amount, idempotencyKey: ownKey(userId, key) }))
  }
}

@Controller('tickets')
export class TicketController {
  readonly #checkout: Checkout

  constructor(@Inject(Checkout) checkout: Checkout) {
    this.#checkout = checkout
  }

  @Post('buy')
  @HttpCode(200)
  buy(@Body() body: Fields | undefined, @IdempotencyKey() idempotencyKey: string) {
    const [userId, eventId] = [parseId(body?.userId, 'userId'), parseId(body?.eventId, 'eventId')]
    return this.#checkout.buyTicket({ userId, eventId, idempotencyKey })
  }
}
