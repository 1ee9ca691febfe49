import { PrismaPg } from '@prisma/adapter-pg'
import { readReplicas } from '@prisma/extension-read-replicas'
import { lockable, rowLocks } from 'rowlock'

import { Prisma, PrismaClient } from '../../src/generated/prisma/client.js'

// Compiled by `npm run typecheck` and never run: the expectations of this folder are about types only.
const adapter = lockable(new PrismaPg({ connectionString: 'postgres://localhost/never' }))

/** Prisma as it is, to compare with. */
export const plain = new PrismaClient({ adapter })

export const prisma = plain.$extends(rowLocks())

export const greetings = Prisma.defineExtension({
  result: {
    user: {
      greeting: { needs: { name: true }, compute: ({ name }) => `Hello ${name}` },
    },
  },
})

export const notDeleted = Prisma.defineExtension({
  query: {
    user: {
      findUnique: ({ args, query }) => query(args),
      findMany: ({ args, query }) => query({ ...args, where: { ...args.where, name: { not: 'deleted' } } }),
    },
  },
})

export const salted = Prisma.defineExtension({ model: { user: { salt: (): string => 'salt' } }, client: { $salt: (): number => 1 } })

export const beforeGreetings = plain.$extends(rowLocks()).$extends(greetings)
export const afterGreetings = plain.$extends(greetings).$extends(rowLocks())
export const beforeFilter = plain.$extends(rowLocks()).$extends(notDeleted).$extends(salted)
export const afterFilter = plain.$extends(salted).$extends(notDeleted).$extends(rowLocks())
export const beforeReplicas = plain.$extends(rowLocks()).$extends(readReplicas({ replicas: [plain] }))
export const afterReplicas = plain.$extends(readReplicas({ replicas: [plain] })).$extends(rowLocks())
/** A client that leaves the name of every user out. */
export const nameless = new PrismaClient({ adapter, omit: { user: { name: true } } }).$extends(rowLocks())
/** The same, with the option only known as a type. */
export const namelessPlain = new PrismaClient({ adapter, omit: { user: { name: true } } })
