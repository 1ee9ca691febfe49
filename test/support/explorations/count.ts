import process from 'node:process'
import { rowLocks } from 'rowlock'
import { defineExploration } from 'rowlock/testing'
import { PrismaClient } from '../../../src/generated/prisma/client.js'

type Client = ReturnType<typeof createClient>

const createClient = (adapter: ConstructorParameters<typeof PrismaClient>[0]['adapter'] & {}) =>
  new PrismaClient({ adapter }).$extends(rowLocks())

const addOne = (prisma: Client) =>
  prisma.$transaction(async (tx) => {
    const lock = process.env['COUNT_LOCK'] === 'none' ? undefined : 'forNoKeyUpdate'
    const { count } = await tx.company.findUniqueOrThrow({ where: { id: 1 }, ...(lock && { lock }) })
    await tx.company.update({ where: { id: 1 }, data: { count: count + 1 } })
  })

/** For the tests of `rowlock explore`: right with its lock, wrong without. */
export const exploration = defineExploration({
  client: createClient,
  database: process.env['COUNT_DATABASE']!,
  setup: (prisma) => prisma.company.upsert({ where: { id: 1 }, create: { id: 1, name: 'Acme' }, update: { count: 0 } }),
  actors: { first: addOne, second: addOne },
  invariant: async (prisma) => (await prisma.company.findUniqueOrThrow({ where: { id: 1 } })).count === 2,
  search: { schedules: Number(process.env['COUNT_SCHEDULES'] ?? 1_000), time: 60_000 },
})
