/**
 * Ready operations on the models of `prisma/schema.prisma`: sign-in, wallet, counter, tickets, orders.
 *
 * @module rowlock/repositories
 */

export { signIn, type SignInInput, type SignInOptions, type SignInResult } from './repositories/sign-in.js'
export type { DayOptions } from './repositories/sign-in-day.js'
export {
  credit,
  type CreditInput,
  type CreditOptions,
  type CreditResult,
  withdraw,
  type WithdrawInput,
  type WithdrawResult,
} from './repositories/wallet.js'
export { type CouponTier, DEFAULT_COUPONS } from './repositories/coupon-table.js'
export type { Amount } from './repositories/money.js'
export { type CountInput, type CountResult, decrementCount, incrementCount, setCount } from './repositories/counter.js'
export {
  buyAnyTicket,
  type BuyAnyTicketResult,
  buyTicket,
  type BuyTicketInput,
  type BuyTicketResult,
  findTickets,
  type FindTicketsInput,
  type FindTicketsResult,
} from './repositories/ticket.js'
export { placeOrder, type PlaceOrderInput, type PlaceOrderResult } from './repositories/order.js'
export type {
  CompanyRow,
  CouponRow,
  EventRow,
  OrderRow,
  ReadingQuotaRow,
  RepositoryClient,
  SignInRow,
  TicketRow,
  UserRow,
  WalletEntryRow,
  WalletRow,
} from './repositories/repository-client.js'
export {
  AlreadySignedInError,
  CompanyNotFoundError,
  CountIsZeroError,
  CountTooLowError,
  EventNotFoundError,
  InsufficientBalanceError,
  LimitExceededError,
  RepositoryError,
  type RepositoryErrorCode,
  SoldOutError,
  UserNotFoundError,
  WalletNotFoundError,
} from './repositories/errors.js'
export { IdempotencyConflictError } from './core/errors.js'
export { createWallet, type Wallet, type WalletOptions } from './repositories/coalesced-wallet.js'
