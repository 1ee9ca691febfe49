import type { Decimal } from '@prisma/client/runtime/client'
import { rowLocks } from 'rowlock'
import { credit, findTickets, placeOrder, type RepositoryClient, signIn, setCount, withdraw, buyAnyTicket } from 'rowlock/repositories'
import type * as rows from 'rowlock/repositories'
import type * as generated from '../../src/generated/prisma/client.js'
import type { PrismaClient } from '../../src/generated/prisma/client.js'
import type { TestClient } from '../support/client.js'

// Compiled with the rest by `npm run typecheck`; nothing here is run.

declare const plain: PrismaClient
declare const prisma: TestClient

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type Mutable<T> = { -readonly [K in keyof T]: T[K] }
const assertEqual = <A, B>(_: Equal<A, B>) => undefined

/** Every client with `rowLocks()` is accepted, whatever else it is extended with, and its transaction clients. */
export async function acceptsAnyClientWithRowLocks() {
  const withResult = {
    result: { wallet: { cents: { needs: { balance: true }, compute: ({ balance }: { balance: Decimal }) => balance.times(100) } } },
  } as const
  const withQuery = prisma.$extends({ query: { $allModels: { findMany: ({ args, query }) => query(args) } } })
  const clients = [prisma, prisma.$extends(withResult), plain.$extends(withResult).$extends(rowLocks()), withQuery] as const
  clients satisfies readonly RepositoryClient[]

  await prisma.$transactionWithRetry(async (tx) => signIn(tx, { userId: 1 }))
  await prisma.$transaction(async (tx) => withdraw(tx, { userId: 1, amount: 1 }))
  await withQuery.$transaction(async (tx) => buyAnyTicket(tx, { eventId: 1, userId: 1 }))
  await prisma.wallet.withLock({ where: { userId: 1 } }, async (_, tx) => credit(tx, { userId: 1, amount: '1.50' }))
}

export async function refusesOtherClients() {
  // @ts-expect-error a client without rowLocks()
  await credit(plain, { userId: 1, amount: 1 })
  // @ts-expect-error a client without the models
  await setCount(prisma as Omit<TestClient, 'company'>, { company: 'Acme', count: 1 })
  // An operation asks for the models that it needs and no others.
  await setCount(prisma as Pick<TestClient, 'company' | '$queryRaw' | '$transactionWithRetry'>, { company: 'Acme', count: 1 })
}

/** The result types are Prisma's own rows. */
export async function returnsPrismasRows() {
  assertEqual<Mutable<rows.UserRow>, generated.User>(true)
  assertEqual<Mutable<rows.SignInRow>, generated.SignIn>(true)
  assertEqual<Mutable<rows.ReadingQuotaRow>, generated.ReadingQuota>(true)
  assertEqual<Mutable<rows.WalletRow>, generated.Wallet>(true)
  assertEqual<Mutable<rows.WalletEntryRow>, generated.WalletEntry>(true)
  assertEqual<Mutable<rows.CouponRow>, generated.Coupon>(true)
  assertEqual<Mutable<rows.CompanyRow>, generated.Company>(true)
  assertEqual<Mutable<rows.EventRow>, generated.Event>(true)
  assertEqual<Mutable<rows.TicketRow>, generated.Ticket>(true)
  assertEqual<Mutable<rows.OrderRow>, generated.Order>(true)

  const { balance, coupon } = await credit(prisma, { userId: 1, amount: 1 })
  assertEqual<typeof balance, Decimal>(true)
  assertEqual<typeof coupon, rows.CouponRow | null>(true)
  const { seats } = await findTickets(prisma, { eventId: 1 })
  seats satisfies readonly generated.Ticket[]
  const { order } = await placeOrder(prisma, { userId: 1, orderId: 'a', amount: 1 })
  order satisfies generated.Order
}

export async function refusesWrongInput() {
  // @ts-expect-error an unknown key
  await signIn(prisma, { userId: 1, at: new Date() })
  // @ts-expect-error a bigint is no amount
  await credit(prisma, { userId: 1, amount: 1n })
  // @ts-expect-error the order's id is missing
  await placeOrder(prisma, { userId: 1, amount: 1 })
}
