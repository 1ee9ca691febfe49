import type { TransactionClientOf } from 'rowlock'
import { withResolvers } from './with-resolvers.js'

/** A transaction that has run its statement and stays open. */
export interface HeldTransaction<R = unknown> {
  /** Its backend's process id. */
  readonly pid: number
  /** What the statement returned. */
  readonly result: R
  commit(): Promise<void>
  rollback(): Promise<void>
}

interface Client {
  $transaction(...args: never): unknown
}

interface Tx {
  $queryRawUnsafe<T>(sql: string): PromiseLike<T>
}

interface RunnableClient {
  $transaction<R>(run: (tx: Tx) => Promise<R>, options: { timeout: number }): Promise<R>
}

const ROLLBACK = Symbol('rollback')

/** Opens a transaction, runs `take` in it, and holds it open until told to end. */
export async function held<C extends Client, R>(
  client: C,
  take: (tx: TransactionClientOf<C>) => PromiseLike<R>,
): Promise<HeldTransaction<R>> {
  const end = withResolvers<'commit' | 'rollback'>()
  const ready = withResolvers<{ pid: number; result: R }>()
  const done = (client as unknown as RunnableClient)
    .$transaction(
      async (tx) => {
        const [{ pid }] = await tx.$queryRawUnsafe<[{ pid: number }]>('SELECT pg_backend_pid() AS pid')
        ready.resolve({ pid, result: await take(tx as unknown as TransactionClientOf<C>) })
        if ((await end.promise) === 'rollback') throw ROLLBACK
      },
      { timeout: 25_000 },
    )
    .catch((error: unknown) => {
      ready.reject(error)
      if (error !== ROLLBACK) throw error
    })
  done.catch(() => undefined)
  const finish = (how: 'commit' | 'rollback') => {
    end.resolve(how)
    return done
  }
  return { ...(await ready.promise), commit: () => finish('commit'), rollback: () => finish('rollback') }
}
