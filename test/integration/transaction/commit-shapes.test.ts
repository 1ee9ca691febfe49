import { CommitNotSupportedError, type CommittingClient, type TransactionClientOf } from 'rowlock'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestClient } from '../../support/client.js'
import { useDatabase } from '../../support/database.js'
import { expectRejection } from '../../support/rejections.js'
import { messagesOf, throughProxy } from '../../support/wire.js'

// Which calls Prisma 7 renders as one statement. What is allowed here and takes two would be committed after the first.

type Tx = CommittingClient<TransactionClientOf<TestClient>>
type Call = (tx: Tx, commit: { commit: boolean }) => PromiseLike<unknown>

const database = useDatabase()
let proxied: Awaited<ReturnType<typeof throughProxy>>
let userId: number
let walletId: number
let entryId: bigint
let names = 0

const name = () => `name ${names++}`
const entry = { kind: 'CREDIT', amount: 1, balance: 1 } as const
/** For arguments that the types refuse with `commit`. */
const loose = (tx: Tx) => tx as unknown as Record<string, Record<string, (args: object) => PromiseLike<unknown>>>

beforeAll(async () => {
  proxied = await throughProxy(database)
  const { client } = proxied
  userId = (await client.user.create({ data: { name: name() } })).id
  walletId = (await client.wallet.create({ data: { userId } })).id
})

afterAll(() => proxied[Symbol.asyncDispose]())

/** What a transaction sends for this call and its end, in round trips and statements, COMMIT left out. */
async function sentBy(call: Call, commit: boolean): Promise<{ trips: number; statements: number }> {
  entryId = (await proxied.client.walletEntry.create({ data: { walletId, ...entry } })).id
  await proxied.client.$transactionWithRetry(
    async (tx) => {
      await tx.company.count()
      proxied.sent.length = 0
      await call(tx, commit ? { commit } : ({} as { commit: boolean }))
    },
    { timeout: 30_000 },
  )
  // Execute, and Query, which executes as well.
  const executed = messagesOf(proxied.sent.join('')).replace(/[^EQ]/g, '')
  return { trips: proxied.sent.length, statements: executed.length - 1 }
}

describe('is one statement, and goes with COMMIT', () => {
  test.each<[string, Call]>([
    ['create', (tx, c) => tx.walletEntry.create({ data: { walletId, ...entry }, ...c })],
    [
      'create with scalars selected',
      (tx, c) => tx.walletEntry.create({ data: { walletId, ...entry }, select: { id: true, kind: true }, ...c }),
    ],
    ['create with omit', (tx, c) => tx.walletEntry.create({ data: { walletId, ...entry }, omit: { id: true }, ...c })],
    [
      'create with relations not asked for',
      (tx, c) => loose(tx)['walletEntry']!['create']!({ data: { walletId, ...entry }, include: { wallet: false }, ...c }),
    ],
    [
      'create with a list',
      (tx, c) => tx.lease.create({ data: { key: name(), owners: ['a', 'b'], shared: true, expiresAt: new Date() }, ...c }),
    ],
    ['create with JSON', (tx, c) => tx.job.create({ data: { payload: { a: [1] } }, ...c })],
    ['create with undefined relations', (tx, c) => tx.user.create({ data: { name: name(), wallet: undefined }, ...c })],
    ['createMany', (tx, c) => tx.event.createMany({ data: [{ name: name() }, { name: name(), remaining: 3 }], ...c })],
    ['createMany of one', (tx, c) => tx.event.createMany({ data: { name: name() }, ...c })],
    ['createMany with skipDuplicates', (tx, c) => tx.company.createMany({ data: [{ name: name() }], skipDuplicates: true, ...c })],
    ['createMany of many', (tx, c) => tx.event.createMany({ data: Array.from({ length: 1_000 }, () => ({ name: 'x' })), ...c })],
    [
      'createManyAndReturn',
      (tx, c) => tx.user.createManyAndReturn({ data: [{ name: name() }, { name: name() }], select: { id: true }, ...c }),
    ],
    ['update by id', (tx, c) => tx.wallet.update({ where: { id: walletId }, data: { balance: { increment: 1 } }, ...c })],
    ['update by another key', (tx, c) => tx.wallet.update({ where: { userId }, data: { balance: 3 }, select: { balance: true }, ...c })],
    [
      'update with a relation filter',
      (tx, c) => tx.wallet.update({ where: { id: walletId, entries: { none: { amount: 99 } } }, data: { balance: 3 }, ...c }),
    ],
    ['update of a foreign key', (tx, c) => tx.wallet.update({ where: { id: walletId }, data: { userId }, ...c })],
    ['update of an enum', (tx, c) => tx.walletEntry.update({ where: { id: entryId }, data: { kind: 'WITHDRAWAL', amount: -1 }, ...c })],
    ['updateMany', (tx, c) => tx.wallet.updateMany({ where: { user: { name: 'a' } }, data: { balance: 3 }, ...c })],
    ['updateMany with limit', (tx, c) => tx.wallet.updateMany({ data: { balance: 3 }, limit: 1, ...c })],
    [
      'updateManyAndReturn',
      (tx, c) => tx.wallet.updateManyAndReturn({ where: { user: { name: 'a' } }, data: { balance: 3 }, select: { id: true }, ...c }),
    ],
    ['delete', (tx, c) => tx.walletEntry.delete({ where: { id: entryId }, ...c })],
    [
      'delete with a relation filter',
      (tx, c) => tx.walletEntry.delete({ where: { id: entryId, wallet: { userId } }, select: { id: true }, ...c }),
    ],
    ['deleteMany', (tx, c) => tx.walletEntry.deleteMany({ where: { wallet: { user: { name: 'zz' } } }, ...c })],
    ['deleteMany without where', (tx, c) => tx.coupon.deleteMany({ ...c })],
    ['deleteMany with limit', (tx, c) => tx.coupon.deleteMany({ limit: 1, ...c })],
  ])('%s', async (_, call) => {
    expect(await sentBy(call, true)).toEqual({ trips: 1, statements: 1 })
    expect((await sentBy(call, false)).statements).toBe(1)
  })
})

describe('is not one statement, and refused', () => {
  test.each<[string, Call]>([
    ['create with connect', (tx, c) => tx.walletEntry.create({ data: { wallet: { connect: { id: walletId } }, ...entry }, ...c })],
    ['create with a nested create', (tx, c) => tx.user.create({ data: { name: name(), wallet: { create: {} } }, ...c })],
    ['create with an empty relation', (tx, c) => tx.user.create({ data: { name: name(), tickets: { create: [] } }, ...c })],
    [
      'create with include',
      (tx, c) => loose(tx)['walletEntry']!['create']!({ data: { walletId, ...entry }, include: { wallet: true }, ...c }),
    ],
    [
      'create with a relation selected',
      (tx, c) => tx.walletEntry.create({ data: { walletId, ...entry }, select: { wallet: { select: { id: true } } }, ...c }),
    ],
    ['create with _count', (tx, c) => tx.user.create({ data: { name: name() }, select: { _count: true }, ...c })],
    ['createMany of none', (tx, c) => tx.user.createMany({ data: [], ...c })],
    [
      'createMany of too many',
      (tx, c) => tx.event.createMany({ data: Array.from({ length: 20_000 }, () => ({ name: 'x', remaining: 1 })), ...c }),
    ],
    [
      'createManyAndReturn with include',
      (tx, c) => loose(tx)['walletEntry']!['createManyAndReturn']!({ data: [{ walletId, ...entry }], include: { wallet: true }, ...c }),
    ],
    [
      'update with include',
      (tx, c) => loose(tx)['wallet']!['update']!({ where: { id: walletId }, data: { balance: 3 }, include: { user: true }, ...c }),
    ],
    ['update with connect', (tx, c) => tx.wallet.update({ where: { id: walletId }, data: { user: { connect: { id: userId } } }, ...c })],
    ['update with a nested write', (tx, c) => tx.wallet.update({ where: { id: walletId }, data: { entries: { create: entry } }, ...c })],
    [
      'updateMany of too many',
      (tx, c) => tx.wallet.updateMany({ where: { id: { in: Array.from({ length: 40_000 }, (_, i) => -i) } }, data: { balance: 3 }, ...c }),
    ],
    [
      'updateManyAndReturn with include',
      (tx, c) => loose(tx)['wallet']!['updateManyAndReturn']!({ data: { balance: 3 }, include: { user: true }, ...c }),
    ],
    [
      'upsert',
      (tx, c) => loose(tx)['company']!['upsert']!({ where: { name: 'zz' }, create: { name: name() }, update: { count: 1 }, ...c }),
    ],
    ['delete with include', (tx, c) => loose(tx)['walletEntry']!['delete']!({ where: { id: entryId }, include: { wallet: true }, ...c })],
  ])('%s', async (_, call) => {
    await expectRejection(sentBy(call, true), CommitNotSupportedError)
    expect(proxied.sent.join('')).toMatch(/^Q[^]{4}ROLLBACK\0$/)
    expect((await sentBy(call, false)).statements).not.toBe(1)
  })

  // One statement, but a SELECT: there is nothing to commit with it.
  test.each<[string, Call]>([
    ['update of nothing', (tx, c) => tx.wallet.update({ where: { id: walletId }, data: {}, ...c })],
    ['updateMany of nothing', (tx, c) => tx.wallet.updateMany({ data: { balance: undefined }, ...c })],
    ['find', (tx, c) => loose(tx)['wallet']!['findFirst']!({ ...c })],
    ['count', (tx, c) => loose(tx)['wallet']!['count']!({ ...c })],
  ])('%s', async (_, call) => {
    await expectRejection(sentBy(call, true), CommitNotSupportedError)
    expect(proxied.sent.join('')).toMatch(/^Q[^]{4}ROLLBACK\0$/)
  })

  test('what an extension behind this one makes several of is refused where it begins with a SELECT', async () => {
    const client = proxied.client.$extends({
      query: { wallet: { delete: ({ args, query }) => query({ ...args, include: { user: true } } as typeof args) } },
    }) as unknown as TestClient
    const run = client.$transactionWithRetry((tx) => tx.wallet.delete({ where: { id: walletId }, commit: true }))
    await expectRejection(run, CommitNotSupportedError)
    expect(await proxied.client.wallet.count({ where: { id: walletId } })).toBe(1)
  })
})
