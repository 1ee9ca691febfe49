/**
 * Why an operation of `rowlock/repositories` was refused. A refused operation has changed nothing: in
 * a transaction that it joined, the caller may catch the error and go on.
 */
import type { Decimal } from '@prisma/client/runtime/client'
import { RowLockError } from '../core/errors.js'

/** The `code` of each error class of the repositories. */
export type RepositoryErrorCode =
  | 'ALREADY_SIGNED_IN'
  | 'COMPANY_NOT_FOUND'
  | 'COUNT_IS_ZERO'
  | 'COUNT_TOO_LOW'
  | 'EVENT_NOT_FOUND'
  | 'INSUFFICIENT_BALANCE'
  | 'LIMIT_EXCEEDED'
  | 'SOLD_OUT'
  | 'USER_NOT_FOUND'
  | 'WALLET_NOT_FOUND'

/** The base of every refusal: asking again for the same gives the same answer until the data changes. */
export abstract class RepositoryError extends RowLockError {
  abstract override readonly code: RepositoryErrorCode
  readonly retryable = false
}

/** There is no such user. */
export class UserNotFoundError extends RepositoryError {
  readonly code = 'USER_NOT_FOUND'
  readonly userId: number

  constructor(userId: number) {
    super(`There is no user ${userId}.`, { model: 'User', key: { id: userId } })
    this.userId = userId
  }
}

/** The user has signed in already on this day. */
export class AlreadySignedInError extends RepositoryError {
  readonly code = 'ALREADY_SIGNED_IN'
  readonly userId: number
  /** The day signed in for, `2026-03-29`. */
  readonly day: string
  /** From when on the user may sign in again. */
  readonly nextDayStartsAt: Date

  constructor(userId: number, day: string, nextDayStartsAt: Date) {
    super(`User ${userId} has signed in already on ${day}; the next day begins at ${nextDayStartsAt.toISOString()}.`, {
      model: 'SignIn',
      key: { userId, day },
    })
    this.userId = userId
    this.day = day
    this.nextDayStartsAt = nextDayStartsAt
  }
}

/** The user has no wallet; the first credit opens it. */
export class WalletNotFoundError extends RepositoryError {
  readonly code = 'WALLET_NOT_FOUND'
  readonly userId: number

  constructor(userId: number) {
    super(`User ${userId} has no wallet; a first credit opens it.`, { model: 'Wallet', key: { userId } })
    this.userId = userId
  }
}

/** The wallet holds less than the amount to withdraw. */
export class InsufficientBalanceError extends RepositoryError {
  readonly code = 'INSUFFICIENT_BALANCE'
  readonly userId: number
  /** What the wallet held while the operation had it locked. */
  readonly balance: Decimal
  /** What was to be withdrawn. */
  readonly amount: Decimal

  constructor(userId: number, balance: Decimal, amount: Decimal) {
    super(`The wallet of user ${userId} holds ${balance.toFixed(2)}, which is not enough to withdraw ${amount.toFixed(2)}.`, {
      model: 'Wallet',
      key: { userId },
    })
    this.userId = userId
    this.balance = balance
    this.amount = amount
  }
}

/** There is no company of this name. */
export class CompanyNotFoundError extends RepositoryError {
  readonly code = 'COMPANY_NOT_FOUND'
  readonly company: string

  constructor(company: string) {
    super(`There is no company ${JSON.stringify(company)}.`, { model: 'Company', key: { name: company } })
    this.company = company
  }
}

/** The count is zero: there is nothing to take away. */
export class CountIsZeroError extends RepositoryError {
  readonly code = 'COUNT_IS_ZERO'
  readonly company: string
  /** By how much the count was to be lowered. */
  readonly requested: number

  constructor(company: string, requested: number) {
    super(`The count of company ${JSON.stringify(company)} is zero; there is nothing to take away.`, {
      model: 'Company',
      key: { name: company },
    })
    this.company = company
    this.requested = requested
  }
}

/** The count is above zero and below what was to be taken away. */
export class CountTooLowError extends RepositoryError {
  readonly code = 'COUNT_TOO_LOW'
  readonly company: string
  /** The count while the operation had it locked. */
  readonly count: number
  /** By how much the count was to be lowered. */
  readonly requested: number

  constructor(company: string, count: number, requested: number) {
    super(`The count of company ${JSON.stringify(company)} is ${count}, too low to take ${requested} away.`, {
      model: 'Company',
      key: { name: company },
    })
    this.company = company
    this.count = count
    this.requested = requested
  }
}

/** There is no such event. */
export class EventNotFoundError extends RepositoryError {
  readonly code = 'EVENT_NOT_FOUND'
  readonly eventId: number

  constructor(eventId: number) {
    super(`There is no event ${eventId}.`, { model: 'Event', key: { id: eventId } })
    this.eventId = eventId
  }
}

/** Nothing is left to buy for the event. */
export class SoldOutError extends RepositoryError {
  readonly code = 'SOLD_OUT'
  readonly eventId: number

  constructor(eventId: number) {
    super(`Event ${eventId} is sold out.`, { model: 'Event', key: { id: eventId } })
    this.eventId = eventId
  }
}

/** The new value would not fit its column. */
export class LimitExceededError extends RepositoryError {
  readonly code = 'LIMIT_EXCEEDED'
  /** The largest value that fits. */
  readonly limit: Decimal | number

  constructor(model: string, key: unknown, limit: Decimal | number) {
    super(`The new value of ${model} ${JSON.stringify(key)} would be above ${String(limit)}, the largest that fits.`, { model, key })
    this.limit = limit
  }
}
