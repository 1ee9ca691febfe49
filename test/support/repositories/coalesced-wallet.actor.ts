/** The actor of a race between processes whose calls for one wallet are put together. */
import { PrismaPg } from '@prisma/adapter-pg'
import { lockable, rowLocks } from 'rowlock'
import { createWallet } from 'rowlock/repositories'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { defineRaceActor } from '../../../src/harness/define-race-actor.js'
import { POOLED } from '../through-pooler.js'

export interface WalletRace {
  readonly url: string
  readonly userId: number
}

export const move = defineRaceActor({
  connect: async ({ input }: { input: WalletRace }) => {
    const prisma = new PrismaClient({ adapter: lockable(new PrismaPg({ connectionString: input.url, max: 3 }), POOLED) }).$extends(
      rowLocks(),
    )
    await prisma.company.count()
    return createWallet(prisma, { coalesce: { max: 40 } })
  },
  // Of three calls one is a credit; every fifth has a key, and every tenth the key of the one before.
  run: async ({ client, input: { userId }, index }) => {
    const key = index % 10 === 5 ? index - 5 : index
    const input = { userId, amount: 1 + (key % 7), ...(key % 5 === 0 && { idempotencyKey: `move ${key}` }) }
    const { entry } = key % 3 === 0 ? await client.credit(input) : await client.withdraw(input)
    return entry.id
  },
})
