import { fields, type Target, value } from './target.js'
import type { World } from './world.js'

interface Input {
  readonly userId: number
  readonly amount: string
}

const input = fields({ userId: value((world: World) => world.user()), amount: value('1.00') })

/** A withdrawal as it is often written: what the runs against rowlock must not find, they must find here. */
export const NAIVE = {
  unchecked: {
    places: [input],
    unbounded: true,
    call: async ([{ userId, amount }]: readonly [Input], { prisma }: World) => {
      const cents = Math.round(Number(amount) * 100)
      await prisma.$queryRawUnsafe('UPDATE "Wallet" SET "balance" = "balance" + $2::numeric / 100 WHERE "userId" = $1', userId, cents)
    },
  },
  concatenated: {
    places: [input],
    unbounded: true,
    call: async ([{ userId, amount }]: readonly [Input], { prisma }: World) => {
      await prisma.$queryRawUnsafe(`SELECT '${amount}' FROM "Wallet" WHERE "userId" = ${userId}`)
    },
  },
  leaking: {
    places: [input],
    unbounded: true,
    call: async ([{ userId, amount }]: readonly [Input], { pool }: World) => {
      const client = await Promise.race([
        pool.connect(),
        new Promise<never>((_, reject) => setTimeout(reject, 100, new Error('no connection'))),
      ])
      await client.query('BEGIN')
      await client.query('UPDATE "Wallet" SET "balance" = "balance" + $2 WHERE "userId" = $1', [userId, amount])
      await client.query('COMMIT')
      client.release()
    },
  },
} as unknown as Readonly<Record<'unchecked' | 'concatenated' | 'leaking', Target>>
