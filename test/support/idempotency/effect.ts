import { Prisma } from '../../../src/generated/prisma/client.js'
import { countOf, createCompany, type World } from '../repositories/world.js'

interface Tx {
  readonly company: {
    update(args: { where: { name: string }; data: { count: { increment: number } } }): PromiseLike<{ name: string; count: number }>
  }
}

/** Something that must happen once: it counts in the database, and how often it was run. */
export interface Effect {
  readonly name: string
  readonly runs: () => number
  readonly run: (tx: Tx) => Promise<EffectResult>
  /** What the database says of it. */
  readonly count: () => Promise<number>
}

/** One of each type, with a number that no second run has. */
export interface EffectResult {
  readonly count: number
  readonly run: number
  readonly amount: Prisma.Decimal
  readonly id: bigint
  readonly at: Date
  readonly bytes: Uint8Array
  readonly list: readonly (Date | null | undefined)[]
}

export async function createEffect(world: World): Promise<Effect> {
  const name = await createCompany(world, 0)
  let runs = 0
  return {
    name,
    runs: () => runs,
    run: async (tx) => {
      runs++
      const { count } = await tx.company.update({ where: { name }, data: { count: { increment: 1 } } })
      return resultOf(count, runs)
    },
    count: () => countOf(world, name),
  }
}

export const resultOf = (count: number, run: number): EffectResult => ({
  count,
  run,
  amount: new Prisma.Decimal('12.50'),
  id: 2n ** 60n,
  at: new Date(Date.UTC(2026, 2, 1) + run),
  bytes: new Uint8Array([0, 255]),
  list: [new Date(0), null, undefined],
})

let keys = 0
/** A key that no other test of the file uses. */
export const newKey = (): string => `key ${++keys}`
