import { isRowLockError, lockInOrder } from 'rowlock'
import { withConnection } from '../../src/harness/with-connection.js'
import { CALLERS, CONNECTIONS, type Stage, USERS } from './stage.js'

// Many more than there are connections.
const CROWD = 100

export async function killServer({ server }: Stage): Promise<void> {
  await server.kill()
  await server.start()
}

/** Whatever they are doing: waiting for a lock, holding one, committing. */
export async function terminateBackends({ url }: Stage): Promise<void> {
  await withConnection(
    url,
    (sql) => sql`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND random() < 0.5`,
  )
}

/** Before the server has got what is sent, and after, when its answer goes nowhere. */
export async function cutConnections({ network, random }: Stage): Promise<void> {
  const cuts = 1 + Math.floor(random() * CALLERS)
  for (let cut = 0; cut < cuts; cut++) {
    const fate = random() < 0.5 ? 'cut' : 'deliver and cut'
    await new Promise<void>((resolve) => {
      network.fate = () => {
        network.fate = () => 'pass'
        resolve()
        return fate
      }
    })
  }
}

/** Callers that take two rows in opposite orders, some of them with `lockInOrder`. */
export async function deadlock({ prisma, random }: Stage): Promise<void> {
  const calls = Array.from({ length: 2 * CONNECTIONS }, (_, call) => {
    const users = call % 2 === 0 ? [1, 2] : [2, 1]
    const inOrder = random() < 0.5
    return prisma.$transactionWithRetry(async (tx) => {
      const rows = users.map((userId) => ({ model: 'wallet' as const, where: { userId } }))
      if (inOrder) await lockInOrder(tx, rows)
      else for (const { where } of rows) await tx.wallet.findUnique({ where, lock: 'forUpdate' })
    })
  })
  await answersOf(calls)
}

/** Many more callers than connections. */
export async function crowd({ prisma }: Stage): Promise<void> {
  await answersOf(Array.from({ length: CROWD }, (_, n) => prisma.wallet.withLock({ where: { userId: 1 + (n % USERS) } }, async () => n)))
}

/** All end, and those that fail do so with a class of rowlock's. */
async function answersOf(calls: readonly Promise<unknown>[]): Promise<void> {
  for (const answer of await Promise.allSettled(calls)) {
    if (answer.status === 'rejected' && !isRowLockError(answer.reason)) throw answer.reason
  }
}
