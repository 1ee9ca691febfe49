import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { lockable, lockTree, PoolTimeoutError, rowLocks } from 'rowlock'
import { beforeAll, expect, test } from 'vitest'
import type { SqlDriverAdapterFactory } from '../../../src/adapter/driver-adapter.js'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase, waitUntilSessionsBlocked } from '../../support/database.js'
import { held } from '../../support/held.js'
import { expectRejection, useRejectionCheck } from '../../support/rejections.js'

const database = useDatabase()
useRejectionCheck()

let prisma: TestClient
let id: number

beforeAll(async () => {
  prisma = createClient(database).prisma
  id = (await prisma.company.create({ data: { name: 'company' } })).id
})

function poolOf(max: number): Pool {
  return database.watch(new Pool({ connectionString: database.url, max }))
}

/** Tells no more than an adapter must: not how to make a connection beside the pool. */
function silent(adapter: PrismaPg): SqlDriverAdapterFactory {
  return { provider: adapter.provider, adapterName: adapter.adapterName, connect: () => adapter.connect() }
}

const clientOf = (adapter: SqlDriverAdapterFactory) => new PrismaClient({ adapter: lockable(adapter) }).$extends(rowLocks())

/** Runs `look` while the only connection of `client` waits for a row. */
async function whileWaiting<R>(client: TestClient, look: () => Promise<R>): Promise<R> {
  const holder = await held(prisma, (tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }))
  const waiting = client.$transactionWithRetry((tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }), { timeout: 20_000 })
  await waitUntilSessionsBlocked(database.sql, 1)
  try {
    return await look()
  } finally {
    await holder.commit()
    await waiting
  }
}

test('it answers while every connection of the pool waits for a lock', async () => {
  const full = clientOf(new PrismaPg(poolOf(1)))
  const { roots } = await whileWaiting(full, () => lockTree(full))
  expect(roots[0]!.waiters[0]!.wait?.target).toMatchObject({ kind: 'row', model: 'Company', key: { id } })
  await full.$disconnect()
})

test('it takes a connection of the pool where the adapter does not tell how to make another, and says when none is free', async () => {
  const pool = poolOf(2)
  const two = clientOf(silent(new PrismaPg(pool)))
  const tree = await whileWaiting(two, () => lockTree(two))
  expect(tree.roots[0]!.waiters[0]!.wait?.target).toMatchObject({ kind: 'row', model: 'Company', key: { id } })

  const full = clientOf(silent(new PrismaPg(poolOf(1))))
  await whileWaiting(full, () => expectRejection(lockTree(full), PoolTimeoutError))
})

test('it takes a connection of the pool when the server takes no other', async () => {
  const wrong = new URL(database.url)
  wrong.port = '1'
  const pool = poolOf(2)
  const client = new PrismaClient({ adapter: lockable(new PrismaPg(pool), { connection: wrong.href }) }).$extends(rowLocks())
  const { roots } = await whileWaiting(client, () => lockTree(client))
  expect(roots[0]!.waiters).toHaveLength(1)
})

test('it answers in a transaction, of which it is no part', async () => {
  const seen = await whileWaiting(prisma, () =>
    prisma.$transaction(async (tx) => {
      const { roots } = await lockTree(tx)
      const [{ limit }] = await tx.$queryRaw<[{ limit: string }]>`SELECT current_setting('lock_timeout') AS limit`
      return { waiters: roots[0]!.waiters.length, limit }
    }),
  )
  expect(seen).toEqual({ waiters: 1, limit: '0' })
})

test('it needs neither `lockable()` nor `rowLocks()`', async () => {
  const plain = new PrismaClient({ adapter: new PrismaPg(poolOf(1)) })
  const { roots, deadlocks } = await whileWaiting(prisma, () => lockTree(plain))
  expect(roots[0]!.waiters[0]!.wait?.target).toMatchObject({ kind: 'row', model: 'Company', key: { id } })
  expect(deadlocks).toEqual([])
})

test('it asks past extensions that would send a read elsewhere', async () => {
  const plain = new PrismaClient({ adapter: new PrismaPg(poolOf(1)) })
  const elsewhere = plain.$extends({
    query: {
      async $allOperations() {
        throw new Error('This read was sent elsewhere.')
      },
    },
  })
  expect((await lockTree(elsewhere)).roots).toEqual([])
})
