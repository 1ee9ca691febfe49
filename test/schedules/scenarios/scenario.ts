import type { InvariantContext, Outcome } from 'rowlock/testing'
import type { PrismaClient } from '../../../src/generated/prisma/client.js'
import type { TestClient } from '../../support/client.js'

/** Operations on the same rows, and what must hold after them in whatever order their statements run. */
export interface Scenario<Client> {
  readonly title: string
  readonly setup: (prisma: Client) => Promise<unknown>
  readonly actors: Readonly<Record<string, (prisma: Client) => Promise<unknown>>>
  readonly invariant: (prisma: Client, context: InvariantContext) => Promise<unknown>
}

type Outcomes = Readonly<Record<string, Outcome>>

const NAMES = ['first', 'second', 'third']

/** The same operation by several actors, each of whom is told which one it is, from 1. */
export function repeated<Client>(times: 2 | 3, run: (prisma: Client, actor: number) => Promise<unknown>): Scenario<Client>['actors'] {
  return Object.fromEntries(NAMES.slice(0, times).map((name, index) => [name, (prisma: Client) => run(prisma, index + 1)]))
}

/** The same operations, each in a transaction that it joins; what others do stays as it is. */
export function joined<S extends Scenario<TestClient>>(scenario: S, { others = [] }: { others?: readonly string[] } = {}): S {
  const actors = Object.entries(scenario.actors).map(([name, run]) => {
    const inTransaction = (prisma: TestClient) => prisma.$transactionWithRetry((tx) => run(tx as unknown as TestClient))
    return [name, others.includes(name) ? run : inTransaction]
  })
  return { ...scenario, actors: Object.fromEntries(actors) as S['actors'] }
}

export const fulfilled = (outcomes: Outcomes): number => Object.values(outcomes).filter(({ status }) => status === 'fulfilled').length

/** The values that the operations returned. */
export const valuesOf = (outcomes: Outcomes): unknown[] =>
  Object.values(outcomes).flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))

/** The errors that the operations were refused with. */
export const errorsOf = (outcomes: Outcomes): unknown[] =>
  Object.values(outcomes).flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.error] : []))

/** The refusals, all of which must be of the class: no deadlock, conflict or failed statement comes out. */
export function refusedOnlyWith<E>(outcomes: Outcomes, refusal?: abstract new (...args: never) => E): E[] {
  return errorsOf(outcomes).map((error) => {
    if (!refusal || !(error instanceof refusal)) throw error
    return error
  })
}

/** For `catch`, where a refusal is an answer like any other. */
export const asCode = (error: { code: unknown }): unknown => error.code

type AnyClient = PrismaClient | TestClient

/** Takes away what the scenario before has left. */
export async function emptyTables(prisma: AnyClient): Promise<void> {
  await (prisma as PrismaClient).$executeRaw`TRUNCATE "User", "Company", "Event", "IdempotencyRecord" RESTART IDENTITY CASCADE`
}

/** Users 1 to 3. */
export const createUsers = (prisma: AnyClient) =>
  (prisma as PrismaClient).user.createMany({ data: [1, 2, 3].map((id) => ({ id, name: `user ${id}` })) })

/** User 1 with a wallet of `balance`, and the ledger entry that says so. */
export async function createWallet(prisma: AnyClient, balance: number, userId = 1): Promise<void> {
  const client = prisma as PrismaClient
  if (userId === 1) await createUsers(prisma)
  await client.wallet.create({
    data: { userId, balance, entries: { create: balance > 0 ? [{ kind: 'CREDIT', amount: balance, balance }] : [] } },
  })
}

export const createCompany = (prisma: AnyClient, count: number) =>
  (prisma as PrismaClient).company.create({ data: { name: 'Acme', count } })

/** Event 1, with its users. */
export async function createEvent(prisma: AnyClient, { remaining = 0, seats = 0 }): Promise<void> {
  await createUsers(prisma)
  const tickets = { create: Array.from({ length: seats }, (_, index) => ({ seat: index + 1 })) }
  await (prisma as PrismaClient).event.create({ data: { id: 1, name: 'Gala', remaining, tickets } })
}

export const readCount = async (prisma: AnyClient): Promise<number> =>
  (await (prisma as PrismaClient).company.findUniqueOrThrow({ where: { name: 'Acme' } })).count
