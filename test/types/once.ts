import type { Decimal } from '@prisma/client/runtime/client'
import { rowLocks } from 'rowlock'
import { once, type OnceClient, sweepOnce } from 'rowlock/lockers'
import type { PrismaClient } from '../../src/generated/prisma/client.js'
import type { TestClient } from '../support/client.js'

// Compiled with the rest by `npm run typecheck`; nothing here is run.

declare const plain: PrismaClient
declare const prisma: TestClient

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const assertEqual = <A, B>(_: Equal<A, B>) => undefined

/** Every client with `rowLocks()` is accepted, whatever else it is extended with, and its transaction clients. */
export async function acceptsAnyClientWithRowLocks() {
  const withResult = {
    result: { wallet: { cents: { needs: { balance: true }, compute: ({ balance }: { balance: Decimal }) => balance.times(100) } } },
  } as const
  const clients = [prisma, prisma.$extends(withResult), plain.$extends(withResult).$extends(rowLocks())] as const
  clients satisfies readonly OnceClient[]
  await prisma.$transaction(async (tx) => sweepOnce(tx, { olderThan: 1 }))

  const cents = await once(clients[1], 'key', 1, async (tx) => (await tx.wallet.findUniqueOrThrow({ where: { id: 1 } })).cents)
  assertEqual<typeof cents, Decimal>(true)
}

/** `run` gets the transaction client of the client, with its locks, and its result is the call's. */
export async function infersTheTransactionAndTheResult() {
  const balance = await once(prisma, 'key', { any: ['input'] }, async (tx) => {
    const wallet = await tx.wallet.findUniqueOrThrow({ where: { id: 1 }, lock: 'forNoKeyUpdate' })
    return wallet.balance
  })
  assertEqual<typeof balance, Decimal>(true)
  await prisma.$transactionWithRetry(async (tx) => {
    const id = await once(tx, 'key', 1, async (same) => (await same.wallet.findFirstOrThrow({ lock: 'forUpdate' })).id)
    assertEqual<typeof id, number>(true)
  })
}

export async function refusesOtherClients() {
  // @ts-expect-error a client without rowLocks()
  await once(plain, 'key', 1, async () => 1)
  // @ts-expect-error a client without the model
  await once(prisma as Omit<TestClient, 'idempotencyRecord'>, 'key', 1, async () => 1)
  // @ts-expect-error a client without the model
  await sweepOnce(prisma as Omit<TestClient, 'idempotencyRecord'>, { olderThan: 1 })
  // @ts-expect-error an unknown option
  await once(prisma, 'key', 1, async () => 1, { expires: 1 })
}
