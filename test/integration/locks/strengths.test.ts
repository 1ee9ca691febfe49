import type { LockStrength } from 'rowlock'
import { beforeAll, describe, expect, test } from 'vitest'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase, waitUntilSessionsBlocked } from '../../support/database.js'
import { held } from '../../support/held.js'

const STRENGTHS: readonly LockStrength[] = ['forKeyShare', 'forShare', 'forNoKeyUpdate', 'forUpdate']

// PostgreSQL manual, table 13.3 "Conflicting Row-Level Locks".
const CONFLICTS: Record<LockStrength, readonly LockStrength[]> = {
  forKeyShare: ['forUpdate'],
  forShare: ['forNoKeyUpdate', 'forUpdate'],
  forNoKeyUpdate: ['forShare', 'forNoKeyUpdate', 'forUpdate'],
  forUpdate: ['forKeyShare', 'forShare', 'forNoKeyUpdate', 'forUpdate'],
}

const database = useDatabase()
let prisma: TestClient

beforeAll(async () => {
  ;({ prisma } = createClient(database))
  await prisma.company.create({ data: { name: 'one' } })
})

const pairs = STRENGTHS.flatMap((first) => STRENGTHS.map((second) => ({ first, second })))

describe.each(pairs)('$first held, $second asked for', ({ first, second }) => {
  const conflict = CONFLICTS[first].includes(second)

  test(conflict ? 'the second waits until the first commits' : 'both are granted', async () => {
    const holder = await held(prisma, (tx) => tx.company.findUnique({ where: { name: 'one' }, lock: first }))
    const second$ = prisma.$transaction((tx) => tx.company.findUnique({ where: { name: 'one' }, lock: second }))
    if (conflict) {
      const [blocked] = await waitUntilSessionsBlocked(database.sql, 1)
      expect(blocked!.blockedBy).toEqual([holder.pid])
    } else {
      // Would never come if the second waited, as the first is still open.
      await second$
    }
    await holder.commit()
    await expect(second$).resolves.toMatchObject({ name: 'one' })
  })

  test(conflict ? 'nowait refuses' : 'nowait is granted', async () => {
    const holder = await held(prisma, (tx) => tx.company.findUnique({ where: { name: 'one' }, lock: first }))
    const lock = { strength: second, nowait: true } as const
    const attempt = prisma.$transaction((tx) => tx.company.findUnique({ where: { name: 'one' }, lock }))
    if (conflict) await expect(attempt).rejects.toMatchObject({ code: 'LOCK_NOT_AVAILABLE', strength: second, model: 'Company' })
    else await expect(attempt).resolves.toMatchObject({ name: 'one' })
    await holder.rollback()
  })

  test(conflict ? 'skipLocked leaves the row out' : 'skipLocked returns the row', async () => {
    const holder = await held(prisma, (tx) => tx.company.findUnique({ where: { name: 'one' }, lock: first }))
    const lock = { strength: second, skipLocked: true } as const
    const rows = await prisma.$transaction((tx) => tx.company.findMany({ lock }))
    expect(rows).toHaveLength(conflict ? 0 : 1)
    await holder.commit()
  })
})

test('without a lock the second never waits, so the waits above are the locks', async () => {
  const holder = await held(prisma, (tx) => tx.company.findUnique({ where: { name: 'one' } }))
  await prisma.$transaction((tx) => tx.company.findUnique({ where: { name: 'one' }, lock: 'forUpdate' }))
  await holder.commit()
})

test.each(STRENGTHS)('%s: a child insert waits for its parent only under forUpdate', async (strength) => {
  const user = await prisma.user.create({ data: { name: 'parent' } })
  const holder = await held(prisma, (tx) => tx.user.findUnique({ where: { id: user.id }, lock: strength }))
  const insert = prisma.order.create({ data: { id: strength, userId: user.id, number: 1, amount: 1 } }).then((order) => order.id)
  if (strength === 'forUpdate') expect((await waitUntilSessionsBlocked(database.sql, 1))[0]!.blockedBy).toEqual([holder.pid])
  else await insert
  await holder.commit()
  await expect(insert).resolves.toBe(strength)
})
