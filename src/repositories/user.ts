import { UserNotFoundError } from './errors.js'
import type { RepositoryTransaction } from './repository-client.js'

/**
 * Keeps a user from being deleted until the transaction ends, and from nothing else. It is the lock that
 * the foreign key of a new row takes; taken first, a missing user is an answer and not a failed
 * statement, which would abort the transaction.
 *
 * @throws {UserNotFoundError} when there is no such user.
 */
export async function keepUser(tx: RepositoryTransaction<'user'>, userId: number): Promise<void> {
  const user = await tx.user.findUnique({ where: { id: userId }, lock: 'forKeyShare' })
  if (!user) throw new UserNotFoundError(userId)
}
