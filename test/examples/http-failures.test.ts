import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { lockable, rowLocks } from 'rowlock'
import { beforeAll, describe, expect, test } from 'vitest'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import type { TestClient } from '../support/client.js'
import { useDatabase, waitUntilSessionsBlocked } from '../support/database.js'
import { startTestService, type TestService } from '../support/examples/http-service.js'
import { held } from '../support/held.js'
import { balanceOf, createUser, createWallet, createWorld, entriesOf, type World } from '../support/repositories/world.js'
import { type Fate, startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js'
import { POOLED } from '../support/through-pooler.js'

const database = useDatabase()
let world: World
beforeAll(() => {
  world = createWorld(database)
})

const codeOf = async (response: Response) => {
  const { code } = (await response.json()) as { code?: string }
  return [response.status, code, response.headers.get('Retry-After')]
}

const holdWallet = (userId: number) => held(world.other, (tx) => tx.wallet.findUnique({ where: { userId }, lock: 'forUpdate' }))

describe('a database that is busy', () => {
  test('with no connection free is a 503, and the same request succeeds when one is', async () => {
    const pool = database.watch(new Pool({ connectionString: database.url, max: 1, connectionTimeoutMillis: 1_000 }))
    await using service = await startTestService(database, { prisma: connect(pool) })
    const { userId } = await createWallet(world, 10)
    const client = await pool.connect()
    expect(await codeOf(await service.post('/wallet/withdraw', { userId, amount: 1 }, 'p'))).toEqual([503, 'POOL_TIMEOUT', '1'])
    expect(await codeOf(await service.get('/health'))).toEqual([503, 'NOT_READY', '1'])
    client.release()
    expect((await service.post('/wallet/withdraw', { userId, amount: 1 }, 'p')).status).toBe(200)
    expect(await balanceOf(world, userId)).toBe(9)
    expect(service.failures).toMatchObject([{ code: 'POOL_TIMEOUT' }])
  })

  test('with a lock that is not granted in time is a 503, and changes nothing', async () => {
    await using service = await startTestService(database)
    const { userId } = await createWallet(world, 10)
    const holder = await holdWallet(userId)
    expect(await codeOf(await service.post('/wallet/withdraw', { userId, amount: 1 }, 'l'))).toEqual([503, 'LOCK_TIMEOUT', '1'])
    await holder.rollback()
    expect(await balanceOf(world, userId)).toBe(10)
    expect(service.failures).toMatchObject([{ code: 'LOCK_TIMEOUT' }])
  })
})

describe('a connection that dies', () => {
  test('while a request waits for its lock costs the client nothing', async () => {
    await using service = await startTestService(database)
    const { userId } = await createWallet(world, 10)
    const holder = await holdWallet(userId)
    const response = service.post('/wallet/withdraw', { userId, amount: 1 }, 'k')
    const [waiting] = await waitUntilSessionsBlocked(database.sql, 1)
    await database.sql`SELECT pg_terminate_backend(${waiting!.pid}, 5000)`
    await holder.commit()
    expect((await response).status).toBe(200)
    expect(await balanceOf(world, userId)).toBe(9)
  })

  test('with the answer of a withdrawal is asked about by its key: it is done once', () =>
    losing(['deliver and cut'], async (service) => {
      const { userId } = await createWallet(world, 10)
      expect(await codeOf(await service.post('/wallet/withdraw', { userId, amount: 1 }, 'x'))).toEqual([200, undefined, null])
      expect([await balanceOf(world, userId), (await entriesOf(world, userId)).length]).toEqual([9, 2])
    }))

  test('together with the server leaves the outcome open, says so, and the same request finds it out', () =>
    losing(['deliver and cut'], async (service, proxy) => {
      const { userId } = await createWallet(world, 10)
      cutAfterTheFirst(proxy)
      const response = await service.post('/wallet/withdraw', { userId, amount: 1 }, 'y')
      expect(response.headers.get('Retry-After')).toBe('1')
      expect(await response.json()).toEqual({
        status: 503,
        code: 'AMBIGUOUS_COMMIT',
        detail: expect.stringContaining('Send the same request again, with the same Idempotency-Key') as string,
        requestId: response.headers.get('X-Request-Id'),
      })
      expect(await codeOf(await service.get('/health'))).toEqual([503, 'NOT_READY', '1'])
      proxy.fate = () => 'pass'
      expect((await service.post('/wallet/withdraw', { userId, amount: 1 }, 'y')).status).toBe(200)
      expect([await balanceOf(world, userId), (await entriesOf(world, userId)).length]).toEqual([9, 2])
    }))

  test('with the answer of a sign-in, which has no key, leaves the outcome open: a second one is refused', () =>
    losing(['deliver and cut'], async (service) => {
      const userId = await createUser(world)
      await world.other.readingQuota.create({ data: { userId, remaining: 0 } })
      expect(await codeOf(await service.post('/api/sign', { userId }))).toEqual([503, 'AMBIGUOUS_COMMIT', '1'])
      expect((await codeOf(await service.post('/api/sign', { userId })))[1]).toBe('ALREADY_SIGNED_IN')
      expect(await world.other.readingQuota.findUnique({ where: { userId } })).toEqual({ userId, remaining: 25 })
    }))
})

describe('a service that is stopped', () => {
  test('finishes the requests under way, takes no others, and closes the pool', async () => {
    const service = await startTestService(database)
    const { userId } = await createWallet(world, 10)
    const holder = await holdWallet(userId)
    const response = service.post('/wallet/withdraw', { userId, amount: 1 }, 's')
    const refused = service.post('/wallet/withdraw', { userId, amount: 11 }, 't')
    await waitUntilSessionsBlocked(database.sql, 2)
    const stopped = service.stop()
    await expect(service.get('/health')).rejects.toThrow('fetch failed')
    await holder.commit()
    expect((await Promise.all([response, refused])).map(({ status, headers }) => [status, headers.get('Connection')])).toEqual([
      [200, 'close'],
      [409, 'close'],
    ])
    await stopped
    expect(await balanceOf(world, userId)).toBe(9)
  })

  test('does not wait for ever: after its grace period the connections are closed', async () => {
    const service = await startTestService(database, { grace: 20 })
    const { userId } = await createWallet(world, 10)
    const holder = await holdWallet(userId)
    const response = service.post('/wallet/withdraw', { userId, amount: 1 }, 's')
    response.catch(() => undefined)
    await waitUntilSessionsBlocked(database.sql, 1)
    await service.stop()
    await expect(response).rejects.toThrow('fetch failed')
    await holder.commit()
  })
})

/** A service of which the first writing statements meet these fates, one each. */
async function losing(fates: readonly Fate[], use: (service: TestService, proxy: TcpProxy) => Promise<void>): Promise<void> {
  await using proxy = await startTcpProxy(database.url)
  const left = [...fates]
  proxy.fate = (data) => (/UPDATE|COMMIT/.test(data.toString('latin1')) ? (left.shift() ?? 'pass') : 'pass')
  const pool = database.watch(new Pool({ connectionString: proxy.url, max: 2 }))
  await using service = await startTestService(database, { prisma: connect(pool) })
  await use(service, proxy)
}

function cutAfterTheFirst(proxy: TcpProxy): void {
  const { fate } = proxy
  let down = false
  proxy.fate = async (data) => {
    const now = down ? 'cut' : await fate(data)
    down ||= now !== 'pass'
    return now
  }
}

function connect(pool: Pool): TestClient {
  pool.on('error', () => undefined)
  return new PrismaClient({ adapter: lockable(new PrismaPg(pool), { connection: database.url, ...POOLED }) }).$extends(rowLocks())
}
