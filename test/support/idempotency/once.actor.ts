/** The actor of a race between processes for one key. */
import { PrismaPg } from '@prisma/adapter-pg'
import { lockable, rowLocks } from 'rowlock'
import { once } from 'rowlock/lockers'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { defineRaceActor } from '../../../src/harness/define-race-actor.js'
import { resultOf } from './effect.js'
import { POOLED } from '../through-pooler.js'

export interface OnceRace {
  readonly url: string
  readonly key: string
  readonly company: string
}

export const callOnce = defineRaceActor({
  connect: async ({ input }: { input: OnceRace }) => {
    const prisma = new PrismaClient({ adapter: lockable(new PrismaPg({ connectionString: input.url, max: 5 }), POOLED) }).$extends(
      rowLocks(),
    )
    await prisma.company.count()
    return prisma
  },
  run: ({ client, input: { key, company }, index }) =>
    once(
      client,
      key,
      { company },
      async (tx) => {
        const { count } = await tx.company.update({ where: { name: company }, data: { count: { increment: 1 } } })
        return resultOf(count, index)
      },
      { maxWait: 20_000, timeout: 20_000 },
    ),
})
