import type { PrismaClient } from '../../../src/generated/prisma/client.js'
import type { TestClient } from '../client.js'
import { withResolvers } from '../with-resolvers.js'

/** The client as the naive twins know it: they use nothing that `rowLocks()` adds. */
export const asPlainClient = (prisma: TestClient): PrismaClient => prisma as unknown as PrismaClient

/**
 * The same, where the first `count` calls of operations whose name matches `first` go on when all of them are answered.
 * Started at once, calls need not overlap: while the pool connects for the others, one of them may come to its end.
 */
export function meetingAfter(prisma: TestClient, first: RegExp, count: number): PrismaClient {
  const all = withResolvers<undefined>()
  let answered = 0
  const extended = prisma.$extends({
    query: {
      async $allOperations({ operation, args, query }) {
        const answer: unknown = await query(args)
        if (!first.test(operation)) return answer
        if (++answered === count) all.resolve(undefined)
        await all.promise
        return answer
      },
    },
  })
  return extended as unknown as PrismaClient
}

/** Everyone reads before anyone writes. */
export const readingTogether = (prisma: TestClient, count: number): PrismaClient => meetingAfter(prisma, /^(?:find|count)/, count)
