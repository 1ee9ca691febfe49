import type { Decimal } from '@prisma/client/runtime/client'
import type { LockOption } from '../core/lock-option.js'
import type { IdempotencyRecordModel, IdempotencyRecordRow } from '../idempotency/idempotency-client.js'

// The rows of prisma/schema.prisma. They are written out, as the client that Prisma generates from a
// user's copy of the schema is not known here.

/** A user. */
export interface UserRow {
  readonly id: number
  readonly name: string
}

/** That a user has signed in on a day: at most one for each. */
export interface SignInRow {
  readonly id: number
  readonly userId: number
  readonly day: Date
  readonly signedInAt: Date
}

/** What a user may still read. */
export interface ReadingQuotaRow {
  readonly userId: number
  readonly remaining: number
}

/** A user's wallet: `balance` is the sum of its entries, and never below zero. */
export interface WalletRow {
  readonly id: number
  readonly userId: number
  readonly balance: Decimal
}

/** An entry of the ledger: `balance` is what the wallet held after it. */
export interface WalletEntryRow {
  readonly id: bigint
  readonly walletId: number
  readonly kind: 'CREDIT' | 'WITHDRAWAL'
  readonly amount: Decimal
  readonly balance: Decimal
  readonly createdAt: Date
}

/** What a credit has earned. */
export interface CouponRow {
  readonly id: number
  readonly walletId: number
  readonly entryId: bigint
  readonly value: Decimal
  readonly createdAt: Date
}

/** A company and its counter, which is never below zero. */
export interface CompanyRow {
  readonly id: number
  readonly name: string
  readonly count: number
}

/** An event: `remaining` counts its tickets without a seat. */
export interface EventRow {
  readonly id: number
  readonly name: string
  readonly remaining: number
}

/** A ticket: with a seat, for sale until it has a `userId`; without one, made when it is sold. */
export interface TicketRow {
  readonly id: number
  readonly eventId: number
  readonly seat: number | null
  readonly userId: number | null
  readonly soldAt: Date | null
}

/** An order: `number` counts the user's orders from 1, without gaps. */
export interface OrderRow {
  readonly id: string
  readonly userId: number
  readonly number: number
  readonly amount: Decimal
  readonly createdAt: Date
}

/** A change in the log of a quota. */
export interface ReadingQuotaChangeRow {
  readonly userId: number
  readonly delta: number
  readonly remaining: number
  readonly reason: string
  readonly createdAt: Date
}

/** The rows that statements are written for, by model. */
export interface Rows {
  readonly User: UserRow
  readonly SignIn: SignInRow
  readonly ReadingQuota: ReadingQuotaRow
  readonly ReadingQuotaChange: ReadingQuotaChangeRow
  readonly Wallet: WalletRow
  readonly WalletEntry: WalletEntryRow
  readonly Coupon: CouponRow
  readonly Company: CompanyRow
  readonly Event: EventRow
  readonly Ticket: TicketRow
  readonly Order: OrderRow
  readonly IdempotencyRecord: IdempotencyRecordRow & { readonly createdAt: Date }
}

interface Created {
  readonly count: number
}

/** The calls that the repositories make on each model, as Prisma and `rowLocks()` type them. */
interface RepositoryModels {
  readonly user: {
    findUnique(args: { where: { id: number }; lock: LockOption }): PromiseLike<UserRow | null>
  }
  readonly signIn: {
    createManyAndReturn(args: { data: { userId: number; day: Date; signedInAt: Date }; skipDuplicates: true }): PromiseLike<SignInRow[]>
  }
  readonly readingQuota: {
    findUnique(args: { where: { userId: number }; lock: LockOption }): PromiseLike<ReadingQuotaRow | null>
    createMany(args: { data: { userId: number }; skipDuplicates: true }): PromiseLike<Created>
    update(args: { where: { userId: number }; data: { remaining: { increment: number } } }): PromiseLike<ReadingQuotaRow>
  }
  readonly readingQuotaChange: {
    create(args: { data: { userId: number; delta: number; remaining: number; reason: string } }): PromiseLike<unknown>
  }
  readonly wallet: {
    findUnique(args: { where: { userId: number }; lock: LockOption }): PromiseLike<WalletRow | null>
    createMany(args: { data: { userId: number }; skipDuplicates: true }): PromiseLike<Created>
    updateManyAndReturn(args: {
      where: { id: number; balance: { gte?: Decimal; lte?: Decimal } }
      data: { balance: { increment?: Decimal; decrement?: Decimal } }
    }): PromiseLike<WalletRow[]>
  }
  readonly walletEntry: {
    create(args: {
      data: { walletId: number; kind: WalletEntryRow['kind']; amount: Decimal; balance: Decimal }
    }): PromiseLike<WalletEntryRow>
  }
  readonly coupon: {
    create(args: { data: { walletId: number; entryId: bigint; value: Decimal } }): PromiseLike<CouponRow>
  }
  readonly company: {
    findUnique(args: { where: { name: string }; lock: LockOption }): PromiseLike<CompanyRow | null>
    updateManyAndReturn(args: {
      where: { id: number; count?: { gte?: number; lte?: number } }
      data: { count: number | { increment?: number; decrement?: number } }
    }): PromiseLike<CompanyRow[]>
  }
  readonly event: {
    findUnique(args: { where: { id: number }; lock?: LockOption }): PromiseLike<EventRow | null>
    updateManyAndReturn(args: {
      where: { id: number; remaining: { gte: number } }
      data: { remaining: { decrement: number } }
    }): PromiseLike<EventRow[]>
  }
  readonly ticket: {
    findFirst(args: { where: FreeSeat; orderBy: { seat: 'asc' }; lock?: LockOption }): PromiseLike<TicketRow | null>
    findMany(args: { where: FreeSeat; orderBy: { seat: 'asc' } }): PromiseLike<TicketRow[]>
    create(args: { data: { eventId: number; userId: number; soldAt: Date } }): PromiseLike<TicketRow>
    updateManyAndReturn(args: { where: { id: number; userId: null }; data: { userId: number; soldAt: Date } }): PromiseLike<TicketRow[]>
  }
  readonly order: {
    findUnique(args: { where: { id: string } }): PromiseLike<OrderRow | null>
    findFirst(args: { where: { userId: number }; orderBy: { number: 'desc' } }): PromiseLike<OrderRow | null>
    createManyAndReturn(args: {
      data: { id: string; userId: number; number: number; amount: Decimal }
      skipDuplicates: true
    }): PromiseLike<OrderRow[]>
  }
  readonly idempotencyRecord: IdempotencyRecordModel
}

/** A numbered seat that is not sold. */
export interface FreeSeat {
  eventId: number
  userId: null
}

type ModelName = keyof RepositoryModels

interface RawQueries {
  $queryRaw<T>(query: TemplateStringsArray, ...values: unknown[]): PromiseLike<T>
}

/** What an operation sees of the transaction that it runs in. */
export type RepositoryTransaction<Models extends ModelName = ModelName> = Pick<RepositoryModels, Models> & RawQueries

/**
 * A client that the repositories work with: any Prisma client with `rowLocks()`, generated from a schema
 * that has the models named by `Models` as in rowlock's own `schema.prisma` (and whatever else), or the
 * client that such a client passes into a transaction.
 */
export type RepositoryClient<Models extends ModelName = ModelName> = Pick<RepositoryModels, Models> &
  RawQueries & {
    $transactionWithRetry<R>(run: (tx: never) => Promise<R>): Promise<R>
  }
