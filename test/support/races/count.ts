/** Races for the tests of `rowlock race`; loaded by worker processes and by the command, never by a test itself. */
import { PrismaPg } from '@prisma/adapter-pg'
import process from 'node:process'
import { lockable, rowLocks } from 'rowlock'
import { defineRaceActor } from 'rowlock/testing'
import { PrismaClient } from '../../../src/generated/prisma/client.js'

interface Input {
  readonly url: string
  readonly start?: number
}

const connect = ({ url }: Input) => new PrismaClient({ adapter: lockable(new PrismaPg({ connectionString: url })) }).$extends(rowLocks())

export const setup = async (input: Input) => {
  const prisma = connect(input)
  await prisma.company.create({ data: { id: 1, name: 'Acme', count: input.start ?? 0 } })
}

/** Right with its lock: the values are all different. */
export const actor = defineRaceActor({
  connect: ({ input }: { input: Input }) => connect(input),
  run: ({ client }) =>
    client.$transactionWithRetry(async (tx) => {
      const { count } = await tx.company.findUniqueOrThrow({ where: { id: 1 }, lock: 'forNoKeyUpdate' })
      await tx.company.update({ where: { id: 1 }, data: { count: count + 1 } })
      return count + 1
    }),
})

/** As an application that makes its client of the environment does. */
export const environment = defineRaceActor({
  connect: () => connect({ url: process.env['DATABASE_URL']! }),
  run: async ({ client, input }: { client: ReturnType<typeof connect>; input: Input }) => {
    const [row] = await client.$queryRaw<{ name: string }[]>`SELECT current_database() AS name`
    return { name: row!.name, same: input.url === process.env['DATABASE_URL'] }
  },
})
