import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import {
  DeadlockError,
  InvalidOptionError,
  isRowLockError,
  LockNotAppliedError,
  LockNotSupportedError,
  LockOutsideTransactionError,
  RecordNotFoundError,
  RetryExhaustedError,
  rowLocks,
} from 'rowlock'
import { beforeAll, describe, expect, test } from 'vitest'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase } from '../../support/database.js'
import { expectRejection, rejectionOf, useRejectionCheck } from '../../support/rejections.js'

const database = useDatabase()
useRejectionCheck()

let prisma: TestClient
let id: number

beforeAll(async () => {
  prisma = createClient(database).prisma
  id = (await prisma.company.create({ data: { name: 'company' } })).id
})

describe('outside a transaction', () => {
  test('a locked find is refused and says on which model', async () => {
    await expectRejection(prisma.company.findUnique({ where: { id }, lock: 'forShare' }), LockOutsideTransactionError, {
      code: 'LOCK_OUTSIDE_TRANSACTION',
      retryable: false,
      model: 'Company',
      strength: 'forShare',
      key: { id },
    })
  })

  test('an advisory lock is refused and says which', async () => {
    await expectRejection(prisma.$advisoryLock('report'), LockOutsideTransactionError, { key: 'report' })
  })
})

describe('a client with a plain driver adapter', () => {
  const plainClient = () =>
    new PrismaClient({ adapter: new PrismaPg(database.watch(new Pool({ connectionString: database.url }))) }).$extends(rowLocks())

  test('cannot run a guarded transaction', async () => {
    let ran = false
    const run = plainClient().$transactionWithRetry(async () => Promise.resolve((ran = true)))
    await expectRejection(run, LockNotSupportedError, { code: 'LOCK_NOT_SUPPORTED', retryable: false })
    expect(ran).toBe(false)
  })

  test('cannot lock rows', async () => {
    const find = plainClient().$transaction((tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }))
    await expectRejection(find, LockNotAppliedError, { code: 'LOCK_NOT_APPLIED', model: 'Company' })
  })

  test('can take advisory locks, which need nothing of the adapter', async () => {
    const locks = plainClient().$transaction(async (tx) => {
      await tx.$advisoryLock('plain')
      return tx.$queryRaw`SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()`
    })
    await expect(locks).resolves.toHaveLength(1)
  })
})

test('an option out of range is refused with its name, what is allowed and what was given', async () => {
  const error = await expectRejection(
    prisma.$transactionWithRetry(async () => Promise.resolve(), { timeout: 0 }),
    InvalidOptionError,
    { code: 'INVALID_OPTION', retryable: false, option: 'timeout', given: 0 },
  )
  expect(error.message).toContain('timeout')
  expect(error.allowed).toContain('2147483647')
})

test('withLock on a row that does not exist is a RecordNotFoundError with the key', async () => {
  let ran = false
  const run = prisma.company.withLock({ where: { id: -1 } }, async () => Promise.resolve((ran = true)))
  await expectRejection(run, RecordNotFoundError, { code: 'RECORD_NOT_FOUND', retryable: false, model: 'Company', key: { id: -1 } })
  expect(ran).toBe(false)
})

test('retries that are used up are a RetryExhaustedError with the last failure as its cause', async () => {
  const run = prisma.$transactionWithRetry(
    async (tx) => tx.$executeRaw`DO $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '40P01'; END $$`,
    { retry: { attempts: 3, baseDelay: 0 } },
  )
  const error = await expectRejection(run, RetryExhaustedError, {
    code: 'RETRY_EXHAUSTED',
    retryable: false,
    attempts: 3,
    sqlState: '40P01',
  })
  expect(error.cause).toBeInstanceOf(DeadlockError)
})

describe('an error that has nothing to do with locks stays Prisma’s', () => {
  const calls: [string, (tx: TestClient) => PromiseLike<unknown>, string][] = [
    ['a unique violation', (tx) => tx.company.create({ data: { id, name: 'again' } }), 'P2002'],
    ['a missing row', (tx) => tx.company.findUniqueOrThrow({ where: { id: -1 } }), 'P2025'],
    ['a missing locked row', (tx) => tx.company.findUniqueOrThrow({ where: { id: -1 }, lock: 'forUpdate' }), 'P2025'],
    ['bad SQL', (tx) => tx.$queryRaw`SELECT nothing`, 'P2010'],
  ]

  test.each(calls)('%s', async (_, call, code) => {
    let attempts = 0
    const run = prisma.$transactionWithRetry((tx, { attempt }) => {
      attempts = attempt
      return Promise.resolve(call(tx as unknown as TestClient))
    })
    const error = await rejectionOf(run)
    expect(isRowLockError(error)).toBe(false)
    expect(error).toMatchObject({ code })
    expect(attempts).toBe(1)
  })
})
