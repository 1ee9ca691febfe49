import { Module, type OnModuleDestroy } from '@nestjs/common'
import type { NestFastifyApplication } from '@nestjs/platform-fastify'
import { checkLedger } from 'rowlock/testing'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { AppModule, startApp } from '../../examples/nest/app.js'
import type { Prisma } from '../../examples/client.js'
import { createServicePrisma } from '../../examples/http/service.js'
import { RowLockModule } from '../../examples/nest/row-lock.module.js'
import { createClient } from '../support/client.js'
import { useDatabase, waitUntil, waitUntilSessionsBlocked } from '../support/database.js'
import { held } from '../support/held.js'
import { balanceOf, createEvent, createWallet, createWorld, entriesOf, remainingOf, type World } from '../support/repositories/world.js'

const database = useDatabase()
let world: World
beforeAll(() => {
  world = createWorld(database)
})

/** Runs the application, and closes it. */
async function withApp<R>(use: (post: Post) => Promise<R>): Promise<R> {
  const app = await startApp(AppModule.by(() => createClient(database).prisma))
  try {
    return await use(await posterOf(app))
  } finally {
    await app.close()
  }
}

type Post = (path: string, body: unknown, key?: string) => Promise<Response>

async function posterOf(app: NestFastifyApplication): Promise<Post> {
  const url = await app.getUrl()
  return (path, body, key) => {
    const headers = { 'Content-Type': 'application/json', ...(key !== undefined && { 'Idempotency-Key': `"${key}"` }) }
    return fetch(url + path, { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) })
  }
}

const codeOf = async (response: Promise<Response>) => {
  const { status, headers, ...answer } = await response.then(async (one) => ({
    status: one.status,
    headers: one.headers,
    ...((await one.json()) as { code?: string }),
  }))
  return [status, answer.code, headers.get('Content-Type')?.split(';')[0]]
}

const PROBLEM = 'application/problem+json'

describe('an application of Nest', () => {
  test('pays 200 withdrawals at once out of a wallet exactly as often as it can', { timeout: 60_000 }, async () => {
    const { userId, walletId } = await createWallet(world, 1_000)
    const statuses = await withApp((post) =>
      Promise.all(
        Array.from({ length: 200 }, async (_, index) => (await post('/wallet/withdraw', { userId, amount: '10' }, `w-${index}`)).status),
      ),
    )
    const counts = [200, 409].map((status) => statuses.filter((one) => one === status).length)
    expect(counts).toEqual([100, 100])
    expect(await balanceOf(world, userId)).toBe(0)
    await checkLedger(world.other, { walletId, kind: 'WITHDRAWAL', successes: 100 })
  })

  test('answers a withdrawal that is sent again with the answer of the first', async () => {
    const { userId } = await createWallet(world, 10)
    const [first, again] = await withApp(async (post) => {
      const send = async () => (await post('/wallet/withdraw', { userId, amount: 1 }, 'again')).json()
      return [await send(), await send()]
    })
    expect(first).toEqual({ entryId: expect.stringMatching(/^\d+$/) as string, amount: '-1.00', balance: '9.00' })
    expect(again).toEqual(first)
    expect(await balanceOf(world, userId)).toBe(9)
  })

  test('answers every error with the problem details of the HTTP example', async () => {
    const { userId } = await createWallet(world, 10)
    const path = '/wallet/withdraw'
    await withApp(async (post) => {
      expect(await codeOf(post(path, { userId, amount: 11 }, 'a'))).toEqual([409, 'INSUFFICIENT_BALANCE', PROBLEM])
      expect(await codeOf(post(path, { userId, amount: 1 }))).toEqual([400, 'IDEMPOTENCY_KEY_MISSING', PROBLEM])
      expect(await codeOf(post(path, { userId, amount: 'much' }, 'b'))).toEqual([400, 'INVALID_ARGUMENT', PROBLEM])
      expect(await codeOf(post(path, { userId: { gt: 0 }, amount: 1 }, 'c'))).toEqual([400, 'INVALID_ARGUMENT', PROBLEM])
      expect(await codeOf(post(path, { userId: 2_147_483_647, amount: 1 }, 'd'))).toEqual([404, 'WALLET_NOT_FOUND', PROBLEM])
      expect(await codeOf(post(path, '{', 'e'))).toEqual([400, 'HTTP', PROBLEM])
      expect(await codeOf(post('/nowhere', {}))).toEqual([404, 'HTTP', PROBLEM])
      await post(path, { userId, amount: 1 }, 'f')
      expect(await codeOf(post(path, { userId, amount: 2 }, 'f'))).toEqual([422, 'IDEMPOTENCY_CONFLICT', PROBLEM])
    })
    expect(await balanceOf(world, userId)).toBe(9)
  })

  test('takes no money for a ticket that is not there: two repositories share a transaction', async () => {
    const { userId } = await createWallet(world, 100)
    const eventId = await createEvent(world, { remaining: 1 })
    await withApp(async (post) => {
      const answers = await Promise.all(['a', 'b', 'c'].map((key) => codeOf(post('/tickets/buy', { userId, eventId }, key))))
      expect(answers.sort()).toEqual([[200, undefined, 'application/json'], ...Array(2).fill([409, 'SOLD_OUT', PROBLEM])])
    })
    expect([await balanceOf(world, userId), await remainingOf(world, eventId)]).toEqual([80, 0])
    expect((await entriesOf(world, userId)).length).toBe(2)
  })
})

describe('an application that is closed', () => {
  test('finishes the requests under way and those that arrive meanwhile, then disconnects, and leaves no connection', async () => {
    const closed = await closeUnderLoad(async () => undefined)
    expect(closed).toMatchObject({ statuses: [200, 200, 200, 200], late: 200, left: 96 })
    await closed.untilNoSession()
  })

  test('leaves one when it disconnects in onModuleDestroy instead: a request that arrives meanwhile connects again', async () => {
    const shutdown = vi.spyOn(RowLockModule.prototype, 'onApplicationShutdown').mockResolvedValue()
    const closed = await closeUnderLoad((prisma) => prisma.$disconnect())
    expect(shutdown).toHaveBeenCalledOnce()
    shutdown.mockRestore()
    expect(closed.late).toBe(200)
    await expect(closed.untilNoSession()).rejects.toThrow(/in vain/)
    await closed.prisma.$disconnect()
    await closed.untilNoSession()
  })
})

const WAITING = 4

/**
 * Closes an application while four withdrawals of one wallet wait for its lock. Another withdrawal arrives after a module
 * was told that it is destroyed, and has done `destroy`.
 */
async function closeUnderLoad(destroy: (prisma: Prisma) => Promise<void>) {
  const [{ userId }, other] = [await createWallet(world, 100), await createWallet(world, 100)]
  const url = new URL(database.url)
  url.searchParams.set('application_name', `nest ${userId}`)
  const prisma = createServicePrisma(url.href)
  let late: number | undefined

  @Module({ imports: [AppModule.by(() => prisma)] })
  class Root implements OnModuleDestroy {
    async onModuleDestroy(): Promise<void> {
      await destroy(prisma)
      late = await withdraw(other.userId, WAITING)
    }
  }

  const app = await startApp({ module: Root })
  const post = await posterOf(app)
  const withdraw = async (from: number, key: number) => (await post('/wallet/withdraw', { userId: from, amount: 1 }, `c-${key}`)).status
  const wallet = await held(world.other, (tx) => tx.wallet.findUnique({ where: { userId }, lock: 'forUpdate' }))
  const answers = Array.from({ length: WAITING }, (_, key) => withdraw(userId, key))
  await waitUntilSessionsBlocked(database.sql, WAITING)
  const closed = app.close()
  await wallet.rollback()
  const statuses = await Promise.all(answers)
  await closed
  // A session that was told to end is still there for a moment.
  const untilNoSession = () =>
    waitUntil(
      'the application has no session',
      async () => {
        const [{ sessions }] = await database.sql<[{ sessions: number }]>`
          SELECT count(*)::int AS sessions FROM pg_sleep(0.01), pg_stat_activity WHERE application_name LIKE ${`nest ${userId}%`}`
        return sessions === 0 ? true : undefined
      },
      { timeout: 3_000 },
    )
  return { prisma, statuses, late, left: await balanceOf(world, userId), untilNoSession }
}
