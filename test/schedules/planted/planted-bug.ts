import type { InvariantContext, Outcome } from 'rowlock/testing'
import type { TestClient } from '../../support/client.js'

export type Operation = (prisma: TestClient) => Promise<unknown>

/** A mistake in two ways to write the same operations: one makes it, the other does not. */
export interface PlantedBug {
  readonly title: string
  readonly setup: (prisma: TestClient) => Promise<unknown>
  readonly broken: Readonly<Record<string, Operation>>
  readonly fixed: Readonly<Record<string, Operation>>
  readonly invariant: (prisma: TestClient, context: InvariantContext) => Promise<unknown>
  /** What the explorer calls the mistake. */
  readonly anomaly: string
}

/** The same operation twice. */
export const twice = (operation: Operation): Record<string, Operation> => ({ first: operation, second: operation })

/** A sentence about the first operation that failed, or true. */
export function allFulfilled(outcomes: Readonly<Record<string, Outcome>>): string | true {
  const failed = Object.entries(outcomes).find(([, { status }]) => status === 'rejected')
  return failed ? `${failed[0]} failed.` : true
}

export const countFulfilled = (outcomes: Readonly<Record<string, Outcome>>): number =>
  Object.values(outcomes).filter(({ status }) => status === 'fulfilled').length

/** The count of the company that {@link createCompany} makes. */
export const readCount = async (prisma: TestClient): Promise<number> => (await prisma.company.findUniqueOrThrow({ where: { id: 1 } })).count

export const createCompany: Operation = (prisma) => prisma.company.create({ data: { id: 1, name: 'Acme' } })

/** Wallet 1 of user 1 and wallet 2 of user 2. */
export async function createWallets(prisma: TestClient, balance: number): Promise<void> {
  await prisma.user.createMany({
    data: [
      { id: 1, name: 'Ada' },
      { id: 2, name: 'Ben' },
    ],
  })
  await prisma.wallet.createMany({
    data: [
      { id: 1, userId: 1, balance },
      { id: 2, userId: 2, balance },
    ],
  })
}
