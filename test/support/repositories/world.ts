import type postgres from 'postgres'
import { createClient, type TestClient } from '../client.js'
import type { TestDatabase } from '../database.js'

/** What the repository suites work with: the client under test, and a second one to get in its way. */
export interface World {
  readonly prisma: TestClient
  /** Calls an operation in the world's way. */
  readonly run: <R>(call: (db: TestClient) => Promise<R>) => Promise<R>
  readonly other: TestClient
  readonly sql: postgres.Sql
}

/** The two ways to call an operation: given a client it is one statement, and given a transaction it joins that. */
export const WAYS = ['with a client', 'in a transaction'] as const
export type Way = (typeof WAYS)[number]

export const createWideClient = (database: TestDatabase) => createClient(database, { poolSize: 16 }).prisma

export function createWorld(database: TestDatabase, prisma = createWideClient(database), way: Way = 'with a client'): World {
  const run: World['run'] = (call) =>
    way === 'with a client' ? call(prisma) : prisma.$transactionWithRetry((tx) => call(tx as unknown as TestClient))
  return { prisma, run, other: createClient(database, { poolSize: 3 }).prisma, sql: database.sql }
}

let names = 0
const uniqueName = (what: string) => `${what} ${++names}`

export async function createUser({ other }: World): Promise<number> {
  return (await other.user.create({ data: { name: uniqueName('user') } })).id
}

export async function createUsers(world: World, count: number): Promise<number[]> {
  return Promise.all(Array.from({ length: count }, () => createUser(world)))
}

/** A user whose wallet holds `balance`, with the ledger entry that says so. */
export async function createWallet(world: World, balance: number): Promise<{ userId: number; walletId: number }> {
  const userId = await createUser(world)
  const { id: walletId } = await world.other.wallet.create({ data: { userId, balance } })
  if (balance > 0) await world.other.walletEntry.create({ data: { walletId, kind: 'CREDIT', amount: balance, balance } })
  return { userId, walletId }
}

export async function createQuota(world: World, remaining = 0): Promise<number> {
  const userId = await createUser(world)
  await world.other.readingQuota.create({ data: { userId, remaining } })
  return userId
}

export async function createCompany({ other }: World, count: number): Promise<string> {
  return (await other.company.create({ data: { name: uniqueName('company'), count } })).name
}

export async function createEvent({ other }: World, { remaining = 0, seats = 0 }): Promise<number> {
  const tickets = { create: Array.from({ length: seats }, (_, index) => ({ seat: index + 1 })) }
  return (await other.event.create({ data: { name: uniqueName('event'), remaining, tickets } })).id
}

export const countOf = async ({ other }: World, name: string) => (await other.company.findUniqueOrThrow({ where: { name } })).count
export const remainingOf = async ({ other }: World, id: number) => (await other.event.findUniqueOrThrow({ where: { id } })).remaining
export const quotaOf = async ({ other }: World, userId: number) => (await other.readingQuota.findUnique({ where: { userId } }))?.remaining
export const balanceOf = async ({ other }: World, userId: number) => Number((await other.wallet.findUnique({ where: { userId } }))?.balance)
export const entriesOf = ({ other }: World, userId: number) =>
  other.walletEntry.findMany({ where: { wallet: { userId } }, orderBy: { id: 'asc' } })
