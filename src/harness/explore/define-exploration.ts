import type { ExploreOptions } from './explore.js'

/**
 * Gives the options of an exploration their types, for the file that `rowlock explore` runs. Returns
 * them as they are.
 *
 * @example
 * ```ts
 * // withdrawals.explore.ts, for `npx rowlock explore withdrawals.explore.ts`
 * export const exploration = defineExploration({
 *   client: (adapter) => new PrismaClient({ adapter }).$extends(rowLocks()),
 *   setup: (prisma) => prisma.user.create({ data: { id: 1, name: 'Ada' } }),
 *   actors: { first: (prisma) => signIn(prisma, { userId: 1 }), second: (prisma) => signIn(prisma, { userId: 1 }) },
 *   invariant: async (prisma) => (await prisma.signIn.count()) === 1,
 * })
 * ```
 */
export function defineExploration<Client>(options: ExploreOptions<Client>): ExploreOptions<Client> {
  return options
}
