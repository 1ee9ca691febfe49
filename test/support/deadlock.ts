import type { TransactionClientOf } from 'rowlock'
import type { TestClient } from './client.js'

type Tx = TransactionClientOf<TestClient>
type Step = (tx: Tx) => PromiseLike<unknown>

/** Lets each of a fixed number of callers go on when all have come. */
export function createBarrier(parties: number): () => Promise<void> {
  let open!: () => void
  const opened = new Promise<void>((resolve) => (open = resolve))
  return () => {
    if (--parties === 0) open()
    return opened
  }
}

/**
 * Runs two transactions that take the same two locks in opposite order, each the second one only when
 * both have their first: PostgreSQL must break the deadlock. Returns how both ended.
 */
export async function collide(prisma: TestClient, first: Step, second: Step): Promise<PromiseSettledResult<unknown>[]> {
  const bothHoldOne = createBarrier(2)
  const run = (own: Step, other: Step) =>
    prisma.$transactionWithRetry(
      async (tx) => {
        await tx.$executeRaw`SET LOCAL deadlock_timeout = '10ms'`
        await own(tx)
        await bothHoldOne()
        await other(tx)
      },
      { retry: false },
    )
  return Promise.allSettled([run(first, second), run(second, first)])
}

/** The reasons of those that failed. */
export function failures(results: readonly PromiseSettledResult<unknown>[]): unknown[] {
  return results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
}
