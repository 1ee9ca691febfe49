import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { AmbiguousCommitError, lockable, rowLocks } from 'rowlock'
import { once } from 'rowlock/lockers'
import { beforeAll, expect, test } from 'vitest'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import type { TestClient } from '../../support/client.js'
import { useDatabase } from '../../support/database.js'
import { createEffect, newKey } from '../../support/idempotency/effect.js'
import { expectRejection, useRejectionCheck } from '../../support/rejections.js'
import { createWorld, type World } from '../../support/repositories/world.js'
import { type Fate, startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.js'
import { POOLED } from '../../support/through-pooler.js'

const database = useDatabase()
useRejectionCheck()
let world: World
beforeAll(() => {
  world = createWorld(database)
})

/** A client of which the first COMMITs meet these fates, one each. */
async function losing(fates: readonly Fate[], use: (prisma: TestClient, proxy: TcpProxy) => Promise<void>): Promise<void> {
  await using proxy = await startTcpProxy(database.url)
  const left = [...fates]
  proxy.fate = (data) => (data.includes('COMMIT') ? (left.shift() ?? 'pass') : 'pass')
  const pool = database.watch(new Pool({ connectionString: proxy.url, max: 2 }))
  pool.on('error', () => undefined)
  const adapter = lockable(new PrismaPg(pool), { connection: database.url, ...POOLED })
  await use(new PrismaClient({ adapter }).$extends(rowLocks()), proxy)
  await pool.end()
}

test('a COMMIT that was delivered and not answered leaves one effect, and its result', () =>
  losing(['deliver and cut'], async (prisma) => {
    const [effect, key] = [await createEffect(world), newKey()]
    expect(await once(prisma, key, 1, effect.run)).toMatchObject({ run: 1, count: 1 })
    expect([effect.runs(), await effect.count()]).toEqual([1, 1])
  }))

test('a COMMIT that was never delivered leaves the effect of a second run', () =>
  losing(['cut'], async (prisma) => {
    const [effect, key] = [await createEffect(world), newKey()]
    expect(await once(prisma, key, 1, effect.run)).toMatchObject({ run: 2, count: 1 })
    expect([effect.runs(), await effect.count()]).toEqual([2, 1])
  }))

test('COMMITs that are lost in turn leave one effect', () =>
  losing(['cut', 'deliver and cut', 'deliver and cut'], async (prisma) => {
    const [effect, key] = [await createEffect(world), newKey()]
    expect(await once(prisma, key, 1, effect.run)).toMatchObject({ run: 2, count: 1 })
    expect(await effect.count()).toBe(1)
  }))

test('COMMITs that are always lost stay ambiguous, with one effect at most', () =>
  losing(Array<Fate>(50).fill('deliver and cut'), async (prisma) => {
    const [effect, key] = [await createEffect(world), newKey()]
    await expectRejection(once(prisma, key, 1, effect.run), AmbiguousCommitError)
    expect(await once(world.prisma, key, 1, effect.run)).toMatchObject({ run: 1, count: 1 })
  }))

test('a second run that got the key answers with its own error: the first one left nothing', () =>
  losing(['cut'], async (prisma) => {
    const [effect, key] = [await createEffect(world), newKey()]
    const failing = once(prisma, key, 1, async (tx) => {
      const result = await effect.run(tx)
      if (result.run === 2) throw new RangeError('sold out meanwhile')
      return result
    })
    await expect(failing).rejects.toEqual(new RangeError('sold out meanwhile'))
    expect(await effect.count()).toBe(0)
  }))

test('a server that cannot be asked again leaves the commit ambiguous', () =>
  losing(['deliver and cut'], async (prisma, proxy) => {
    const [effect, key] = [await createEffect(world), newKey()]
    const { fate } = proxy
    let down = false
    proxy.fate = async (data) => {
      const now = down ? 'cut' : await fate(data)
      down ||= now !== 'pass'
      return now
    }
    await expectRejection(once(prisma, key, 1, effect.run, { retry: { attempts: 2 } }), AmbiguousCommitError)
    expect(await once(world.prisma, key, 1, effect.run)).toMatchObject({ run: 1, count: 1 })
  }))

test('a transaction that was joined is ambiguous, as only its owner may run it again', () =>
  losing(['deliver and cut'], async (prisma) => {
    const [effect, key] = [await createEffect(world), newKey()]
    const joined = () => prisma.$transactionWithRetry((tx) => once(tx, key, 1, effect.run))
    await expectRejection(joined(), AmbiguousCommitError)
    expect(await joined()).toMatchObject({ run: 1, count: 1 })
  }))
