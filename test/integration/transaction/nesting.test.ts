import { LockNotSupportedError } from 'rowlock'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase } from '../../support/database.js'
import { expectRejection, useRejectionCheck } from '../../support/rejections.js'

const database = useDatabase()
useRejectionCheck()

let prisma: TestClient
let other: TestClient
let id: number

beforeAll(() => {
  prisma = createClient(database).prisma
  other = createClient(database).prisma
})

beforeEach(async () => {
  id = (await prisma.company.create({ data: { name: `company ${Math.random()}` } })).id
})

type Opener = (client: TestClient) => Promise<unknown>
const openers: [string, Opener][] = [
  ['$transactionWithRetry', (client) => client.$transactionWithRetry((tx) => tx.company.count())],
  ['withLock', (client) => client.company.withLock({ where: { id } }, async (row) => Promise.resolve(row))],
]

describe.each(openers)('%s', (_, open) => {
  const isRefused = (run: Promise<unknown>) => expectRejection(run, LockNotSupportedError, { code: 'LOCK_NOT_SUPPORTED' })

  test('is refused on a transaction client', async () => {
    await prisma.$transaction((tx) => isRefused(open(tx as TestClient)))
    await prisma.$transactionWithRetry((tx) => isRefused(open(tx as unknown as TestClient)))
  })

  test('is refused on a nested transaction client', async () => {
    await prisma.$transaction((tx) => tx.$transaction((nested) => isRefused(open(nested as TestClient))))
  })

  test('is refused on the outer client inside the transaction, which goes on', async () => {
    const count = await prisma.$transactionWithRetry(async (tx) => {
      await isRefused(open(prisma))
      return (await tx.company.update({ where: { id }, data: { count: 7 } })).count
    })
    expect(count).toBe(7)
  })

  test("is refused on the outer client inside Prisma's own $transaction, which goes on", async () => {
    const count = await prisma.$transaction(async (tx) => {
      await isRefused(open(prisma))
      return (await tx.company.update({ where: { id }, data: { count: 8 } })).count
    })
    expect(count).toBe(8)
    await open(prisma)
  })

  test("is allowed beside Prisma's own $transaction, and beside a list of queries", async () => {
    await Promise.all([prisma.$transaction((tx) => tx.company.count()), open(prisma)])
    const [count] = await prisma.$transaction([prisma.company.count(), prisma.user.count()])
    expect(count).toBeGreaterThan(0)
  })

  test('is refused on another extension of the outer client', async () => {
    const extended = prisma.$extends({ name: 'another' }) as unknown as TestClient
    await prisma.$transactionWithRetry(() => isRefused(open(extended)))
    await extended.$transactionWithRetry(() => isRefused(open(prisma)))
  })

  test('is refused inside withLock', async () => {
    await prisma.company.withLock({ where: { id } }, () => isRefused(open(prisma)))
  })

  test('is refused two levels down, with a transaction of another client in between', async () => {
    await prisma.$transactionWithRetry(() => other.$transactionWithRetry(() => isRefused(open(prisma))))
  })

  test('is allowed on a client with a pool of its own', async () => {
    await prisma.$transactionWithRetry(() => open(other))
  })

  test('is allowed beside a transaction of the same tick', async () => {
    await Promise.all([prisma.$transactionWithRetry((tx) => tx.company.count()), open(prisma)])
  })

  test('is allowed after the enclosing one has ended, also when it failed', async () => {
    await prisma.$transactionWithRetry((tx) => tx.company.count())
    await open(prisma)
    await expect(prisma.$transactionWithRetry(() => Promise.reject(new Error('fails')))).rejects.toThrow('fails')
    await open(prisma)
  })

  test('is refused to a task that fn left behind while the transaction runs, and allowed to it afterwards', async () => {
    let finish!: () => void
    const finished = new Promise<void>((resolve) => (finish = resolve))
    let detached: Promise<unknown> | undefined
    await prisma.$transactionWithRetry(async () => {
      const task = async () => {
        await isRefused(open(prisma))
        await finished
        return open(prisma)
      }
      detached = task()
      await Promise.resolve()
    })
    finish()
    await detached
  })

  test('is allowed to a task that began before the transaction', async () => {
    let go!: () => void
    const started = new Promise<void>((resolve) => (go = resolve))
    const task = started.then(() => open(prisma))
    await prisma.$transactionWithRetry(async () => {
      go()
      await task
    })
  })
})
