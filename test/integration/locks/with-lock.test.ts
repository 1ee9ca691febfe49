import { InvalidOptionError, LockNotSupportedError, RecordNotFoundError } from 'rowlock'
import { beforeEach, expect, test } from 'vitest'
import { createClient } from '../../support/client.js'
import { useDatabase, waitUntilSessionsBlocked } from '../../support/database.js'
import { held } from '../../support/held.js'
import { lockedRows } from '../../support/locked-rows.js'
import { expectRejection } from '../../support/rejections.js'

const database = useDatabase()
let prisma: ReturnType<typeof createClient>['prisma']
let id: number

beforeEach(async () => {
  prisma ??= createClient(database, { poolSize: 20 }).prisma
  id = (await prisma.company.create({ data: { name: `c${Math.random()}`, count: 10 } })).id
})

const lockedCompanies = () => lockedRows(database.sql, '"Company"')

/** Reads, waits for nothing in particular, and writes back: right only under a lock. */
async function readThenWrite(tx: Pick<typeof prisma, 'company'>) {
  const { count } = await tx.company.findUniqueOrThrow({ where: { id } })
  await tx.company.update({ where: { id }, data: { count: count - 1 } })
}

test('withLock locks the row forNoKeyUpdate until it commits, and returns what run returns', async () => {
  const result = await prisma.company.withLock({ where: { id } }, async (row, tx) => {
    expect(row).toMatchObject({ id, count: 10 })
    expect(await lockedCompanies()).toEqual([id])
    const keyShare = await database.sql`SELECT id FROM "Company" WHERE id = ${id} FOR KEY SHARE NOWAIT`
    expect(keyShare).toHaveLength(1)
    await tx.company.update({ where: { id }, data: { count: 9 } })
    return 'done'
  })
  expect(result).toBe('done')
  expect(await lockedCompanies()).toEqual([])
  expect(await prisma.company.findUnique({ where: { id } })).toMatchObject({ count: 9 })
})

test('ten read-then-writes in withLock all count', async () => {
  await Promise.all(Array.from({ length: 10 }, () => prisma.company.withLock({ where: { id } }, (_, tx) => readThenWrite(tx))))
  expect(await prisma.company.findUnique({ where: { id } })).toMatchObject({ count: 0 })
})

test('without the lock, two read-then-writes lose an update', async () => {
  const holder = await held(prisma, readThenWrite)
  const second = prisma.$transaction(readThenWrite)
  await waitUntilSessionsBlocked(database.sql, 1)
  await holder.commit()
  await second
  expect(await prisma.company.findUnique({ where: { id } })).toMatchObject({ count: 9 })
})

test('withLock takes another lock in the find or in the options, and select', async () => {
  const strongest = (lock: 'forUpdate') => ({ where: { id }, select: { name: true }, lock })
  await prisma.company.withLock(strongest('forUpdate'), async (row) => {
    expect(Object.keys(row)).toEqual(['name'])
    await expect(database.sql`SELECT id FROM "Company" WHERE id = ${id} FOR KEY SHARE NOWAIT`).rejects.toMatchObject({ code: '55P03' })
  })
  await prisma.company.withLock(
    { where: { id } },
    async () => {
      await expect(database.sql`SELECT id FROM "Company" WHERE id = ${id} FOR KEY SHARE NOWAIT`).rejects.toMatchObject({ code: '55P03' })
    },
    { lock: 'forUpdate' },
  )
})

test('withLock waits as long as it is told', async () => {
  const holder = await held(prisma, (tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }))
  const lock = { strength: 'forUpdate', timeout: 50 } as const
  await expect(prisma.company.withLock({ where: { id }, lock }, async () => 'never')).rejects.toMatchObject({
    code: 'LOCK_TIMEOUT',
    model: 'Company',
    blockers: [{ pid: holder.pid }],
  })
  await expect(prisma.company.withLock({ where: { id } }, async () => 'never', { lockTimeout: 50 })).rejects.toMatchObject({
    code: 'LOCK_TIMEOUT',
  })
  await holder.rollback()
})

test('withLock says when the row is gone, also when it goes while waiting', async () => {
  await expect(prisma.company.withLock({ where: { id: 0 } }, async () => 'never')).rejects.toThrow(RecordNotFoundError)
  const holder = await held(prisma, (tx) => tx.company.delete({ where: { id } }))
  const refusal = expectRejection(
    prisma.company.withLock({ where: { id } }, async () => 'never'),
    RecordNotFoundError,
    {
      model: 'Company',
      key: { id },
    },
  )
  await waitUntilSessionsBlocked(database.sql, 1)
  await holder.commit()
  await refusal
})

test('an error in run rolls back and releases the lock', async () => {
  const failure = new Error('no')
  const run = prisma.company.withLock({ where: { id } }, async (_, tx) => {
    await tx.company.update({ where: { id }, data: { count: 0 } })
    throw failure
  })
  await expect(run).rejects.toBe(failure)
  expect(await prisma.company.findUnique({ where: { id } })).toMatchObject({ count: 10 })
  expect(await lockedCompanies()).toEqual([])
})

test('a lock dies with its session', async () => {
  const holder = await held(prisma, (tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }))
  const waiting = prisma.company.withLock({ where: { id } }, async (row) => row.id)
  await waitUntilSessionsBlocked(database.sql, 1)
  await database.sql`SELECT pg_terminate_backend(${holder.pid})`
  await expect(waiting).resolves.toBe(id)
  await holder.rollback()
})

test('withLock refuses to run inside a transaction', async () => {
  await prisma.$transaction(async (tx) => {
    await expect(tx.company.withLock({ where: { id } }, async () => 'never')).rejects.toThrow(LockNotSupportedError)
  })
  await prisma.company.withLock({ where: { id } }, async () => {
    await expect(prisma.company.withLock({ where: { id } }, async () => 'never')).rejects.toThrow(LockNotSupportedError)
  })
})

test('withLock refuses unknown options', async () => {
  await expect(prisma.company.withLock({ where: { id } }, async () => 'never', { timeOut: 5 } as never)).rejects.toThrow(InvalidOptionError)
})

test('withLock locks the row that was checked, also when a getter would name another one, or none, the next time', async () => {
  const other = (await prisma.company.create({ data: { name: `c${Math.random()}`, count: 10 } })).id
  for (const next of [other, undefined]) {
    let asked = 0
    const where = {
      get id() {
        return asked++ === 0 ? id : (next as number)
      },
    }
    expect(await prisma.company.withLock({ where }, async (company) => company.id)).toBe(id)
  }
})

test('withLock refuses a lock that is none before it takes a connection', async () => {
  const { prisma: other, pool } = createClient(database)
  const tooMany = new Array(2 ** 32 - 1) as never
  for (const lock of ['forUpdates' as never, tooMany, { strength: 'forUpdate', nowait: true, timeout: 5 } as never]) {
    await expectRejection(
      other.company.withLock({ where: { id } }, async () => undefined, { lock }),
      InvalidOptionError,
    )
    await expectRejection(
      other.company.withLock({ where: { id }, lock }, async () => undefined),
      InvalidOptionError,
    )
  }
  expect(pool.totalCount).toBe(0)
})
