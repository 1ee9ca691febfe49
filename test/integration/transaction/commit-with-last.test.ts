import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import {
  AlreadyCommittedError,
  AmbiguousCommitError,
  CommitNotSupportedError,
  type CommittingClient,
  InvalidOptionError,
  lockable,
  RetryExhaustedError,
  rowLocks,
  SerializationError,
  type TransactionClientOf,
  TransactionExpiredError,
} from 'rowlock'
import { advisoryLocker, once } from 'rowlock/lockers'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase, waitUntilSessionsBlocked } from '../../support/database.js'
import { held } from '../../support/held.js'
import { expectRejection, rejectionOf, useRejectionCheck } from '../../support/rejections.js'
import { messagesOf, throughProxy } from '../../support/wire.js'

type Tx = CommittingClient<TransactionClientOf<TestClient>>

const database = useDatabase()
useRejectionCheck()

let prisma: TestClient
let id: number
let names = 0

const name = () => `company ${names++}`

beforeAll(() => {
  ;({ prisma } = createClient(database))
})

beforeEach(async () => {
  id = (await prisma.company.create({ data: { name: name() } })).id
})

const countOf = async () => (await prisma.company.findUniqueOrThrow({ where: { id } })).count
const isThere = async (named: string) => (await prisma.company.count({ where: { name: named } })) === 1
const countUp = (tx: Tx) => tx.company.update({ where: { id }, data: { count: { increment: 1 } } })

/** Fails when another transaction holds the row. */
const isFree = async () => {
  await prisma.$transaction((tx) => tx.company.findUniqueOrThrow({ where: { id }, lock: { strength: 'forUpdate', nowait: true } }))
  return true
}

describe('with `commit: true`', () => {
  test('a locked find, an update and a create take three round trips with BEGIN and COMMIT', async () => {
    await using proxied = await throughProxy(database)
    const another = name()
    // More often than a text comes before it is prepared.
    for (let run = 1; run <= 6; run++) {
      proxied.sent.length = 0
      const created = await proxied.client.$transactionWithRetry(async (tx) => {
        const { count } = await tx.company.findUniqueOrThrow({ where: { id }, lock: 'forUpdate' })
        await tx.company.update({ where: { id }, data: { count: count + 1 } })
        return tx.company.create({ data: { name: `${another} ${run}` }, commit: true })
      })
      expect(created).toEqual({ id: expect.any(Number) as number, name: `${another} ${run}`, count: 0 })
      expect(proxied.sent).toHaveLength(3)
      expect(proxied.sent[2]).toMatch(/COMMIT/)
      expect(await countOf()).toBe(run)
      expect(await isThere(`${another} ${run}`)).toBe(true)
    }
  })

  test('a transaction of one statement takes one round trip', async () => {
    await using proxied = await throughProxy(database)
    await proxied.client.$transactionWithRetry((tx) => tx.company.update({ where: { id }, data: { count: 7 }, commit: true }))
    expect(proxied.sent).toHaveLength(1)
    expect(proxied.sent[0]).toMatch(/BEGIN[^]*UPDATE[^]*COMMIT/)
    expect(await countOf()).toBe(7)
  })

  test('the transaction is committed and its locks are free when the call is answered, while fn runs on', async () => {
    const result = await prisma.$transactionWithRetry(async (tx) => {
      await tx.company.findUniqueOrThrow({ where: { id }, lock: 'forUpdate' })
      await expect(isFree()).rejects.toThrow()
      await tx.company.update({ where: { id }, data: { count: 5 }, commit: true })
      expect(await countOf()).toBe(5)
      expect(await isFree()).toBe(true)
      return 'returned'
    })
    expect(result).toBe('returned')
  })

  test('the connection can be used again at once, many times', async () => {
    const { prisma: one } = createClient(database, { poolSize: 1 })
    for (let run = 0; run < 20; run++) {
      await one.$transactionWithRetry(async (tx) => {
        await countUp(tx)
        await tx.company.update({ where: { id }, data: { count: { increment: 1 } }, commit: true })
      })
    }
    expect(await countOf()).toBe(40)
    expect(await one.$transactionWithRetry((tx) => countUp(tx))).toMatchObject({ count: 41 })
  })

  test('`withLock` takes it', async () => {
    await prisma.company.withLock({ where: { id } }, ({ count }, tx) =>
      tx.company.update({ where: { id }, data: { count: count + 3 }, commit: true }),
    )
    expect(await countOf()).toBe(3)
  })

  test('a call that is not awaited is waited for', async () => {
    let call: Promise<unknown> | undefined
    await prisma.$transactionWithRetry(async (tx) => {
      await countUp(tx)
      call = tx.company.update({ where: { id }, data: { count: 9 }, commit: true }).then((row) => row)
      await new Promise(setImmediate)
    })
    await call
    expect(await countOf()).toBe(9)
  })

  test('`commit: false` is as if it were left out', async () => {
    const result = await prisma.$transactionWithRetry(async (tx) => {
      await tx.company.update({ where: { id }, data: { count: 5 }, commit: false })
      return countUp(tx)
    })
    expect(result.count).toBe(6)
  })
})

describe('a statement that fails', () => {
  test('commits nothing, and its error is Prisma’s', async () => {
    const taken = (await prisma.company.findUniqueOrThrow({ where: { id } })).name
    const run = prisma.$transactionWithRetry(async (tx) => {
      await countUp(tx)
      await tx.company.create({ data: { name: taken }, commit: true })
    })
    await expect(run).rejects.toMatchObject({ code: 'P2002' })
    expect(await countOf()).toBe(0)
    expect(await isFree()).toBe(true)
  })

  test('goes out with COMMIT before one Sync, so that PostgreSQL skips both', async () => {
    await using proxied = await throughProxy(database)
    await proxied.client.$transactionWithRetry(async (tx) => {
      await countUp(tx)
      await tx.company.create({ data: { name: name() }, commit: true })
    })
    // Parse, Bind, Describe, Execute; Parse, Bind, Execute of COMMIT; Sync.
    expect(messagesOf(proxied.sent[1]!)).toBe('PBDEPBES')
  })

  test('leaves a transaction that cannot be committed, when fn swallows the error', async () => {
    const taken = (await prisma.company.findUniqueOrThrow({ where: { id } })).name
    const run = prisma.$transactionWithRetry(async (tx) => {
      await countUp(tx)
      await tx.company.create({ data: { name: taken }, commit: true }).catch(() => undefined)
    })
    await expect(run).rejects.toMatchObject({ code: 'P2002' })
    expect(await countOf()).toBe(0)
  })

  test('that found no row is none to PostgreSQL, which commits behind it: the twin of what follows', async () => {
    await database.sql.begin(async (sql) => {
      await sql`UPDATE "Company" SET count = 4 WHERE id = ${id}`
      await sql`UPDATE "Company" SET count = 4 WHERE id = -1 RETURNING id`
    })
    expect(await countOf()).toBe(4)
  })

  test.each(['update', 'delete'] as const)('commits nothing when the row of %s is not there', async (operation) => {
    for (const swallow of [false, true]) {
      const run = prisma.$transactionWithRetry(async (tx) => {
        await countUp(tx)
        const missing = { where: { id: -1 }, data: { count: 1 } }
        const call =
          operation === 'update' ? tx.company.update({ ...missing, commit: true }) : tx.company.delete({ where: { id: -1 }, commit: true })
        await call.catch((error: unknown) => {
          if (!swallow) throw error
        })
      })
      await expect(run).rejects.toMatchObject({ code: 'P2025' })
    }
    expect(await countOf()).toBe(0)
  })

  test('for the lock that it waits for is retried as asked', async () => {
    const other = (await prisma.company.create({ data: { name: name() } })).id
    const holder = await held(prisma, (tx) => tx.company.findUnique({ where: { id: other }, lock: 'forUpdate' }))
    let attempts = 0
    const run = prisma.$transactionWithRetry(
      async (tx) => {
        attempts++
        await countUp(tx)
        await tx.company.update({ where: { id: other }, data: { count: 1 }, commit: true })
      },
      { lockTimeout: 100, retry: { on: ['LOCK_TIMEOUT'], attempts: 2, baseDelay: 0 } },
    )
    await expectRejection(run, RetryExhaustedError, { attempts: 2 })
    expect(attempts).toBe(2)
    expect(await countOf()).toBe(0)
    await holder.rollback()
  })
})

describe('a COMMIT that fails', () => {
  test('on a deferred constraint surfaces as that of an ordinary COMMIT', async () => {
    await database.sql`
      CREATE OR REPLACE FUNCTION refuse_thirteen() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN IF NEW.count = 13 THEN RAISE unique_violation USING MESSAGE = 'thirteen'; END IF; RETURN NULL; END $$`
    await database.sql`
      CREATE CONSTRAINT TRIGGER thirteen AFTER UPDATE ON "Company" DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION refuse_thirteen()`
    try {
      const errors = []
      for (const commit of [false, true]) {
        errors.push(
          await rejectionOf(prisma.$transactionWithRetry((tx) => tx.company.update({ where: { id }, data: { count: 13 }, commit }))),
        )
        expect(await countOf()).toBe(0)
      }
      const [ordinary, together] = errors as [Error, Error]
      expect(together.constructor).toBe(ordinary.constructor)
      expect(together.message).toBe(ordinary.message)
      const swallowed = prisma.$transactionWithRetry((tx) =>
        tx.company.update({ where: { id }, data: { count: 13 }, commit: true }).catch(() => undefined),
      )
      expect(((await rejectionOf(swallowed)) as Error).message).toBe(ordinary.message)
      expect(await countOf()).toBe(0)
    } finally {
      await database.sql`DROP TRIGGER thirteen ON "Company"`
    }
  })

  test('on a serialization failure is retried', async () => {
    await database.sql`
      CREATE OR REPLACE FUNCTION refuse_fourteen() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN IF NEW.count = 14 THEN RAISE serialization_failure; END IF; RETURN NULL; END $$`
    await database.sql`
      CREATE CONSTRAINT TRIGGER fourteen AFTER UPDATE ON "Company" DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION refuse_fourteen()`
    try {
      const seen: unknown[] = []
      await prisma.$transactionWithRetry(
        async (tx, { attempt }) => {
          await tx.company.update({ where: { id }, data: { count: 12 + 3 - attempt }, commit: true }).catch((error: unknown) => {
            seen.push(error)
            throw error
          })
        },
        { retry: { baseDelay: 0 } },
      )
      expect(seen).toHaveLength(1)
      expect(seen[0]).toBeInstanceOf(SerializationError)
      expect(await countOf()).toBe(13)
    } finally {
      await database.sql`DROP TRIGGER fourteen ON "Company"`
    }
  })

  test('under SERIALIZABLE lets one of two that wrote across each other retry', async () => {
    const other = (await prisma.company.create({ data: { name: name() } })).id
    let arrived = 0
    let attempts = 0
    const cross = (reads: number, writes: number) =>
      prisma.$transactionWithRetry(
        async (tx) => {
          attempts++
          const { count } = await tx.company.findUniqueOrThrow({ where: { id: reads } })
          if (++arrived === 1) while (arrived < 2) await new Promise(setImmediate)
          await tx.company.update({ where: { id: writes }, data: { count: count + 1 }, commit: true })
        },
        { isolationLevel: 'Serializable', retry: { baseDelay: 0 } },
      )
    await Promise.all([cross(id, other), cross(other, id)])
    expect(attempts).toBe(3)
    expect([await countOf(), (await prisma.company.findUniqueOrThrow({ where: { id: other } })).count].sort()).toEqual([1, 2])
  })

  test.each(['deliver and cut', 'cut'] as const)('is ambiguous when the connection dies (%s), and not retried', async (fate) => {
    await using proxied = await throughProxy(database)
    const pass = proxied.proxy.fate
    proxied.proxy.fate = (data) => (data.includes('COMMIT') ? fate : pass(data))
    let attempts = 0
    const run = proxied.client.$transactionWithRetry(async (tx) => {
      attempts++
      await countUp(tx)
      await tx.company.update({ where: { id }, data: { count: 8 }, commit: true }).catch(() => undefined)
    })
    await expectRejection(run, AmbiguousCommitError)
    expect(attempts).toBe(1)
  })

  test('is ambiguous when the server ends the session during the statement', async () => {
    const holder = await held(prisma, (tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }))
    const run = rejectionOf(
      createClient(database).prisma.$transactionWithRetry((tx) => tx.company.update({ where: { id }, data: { count: 8 }, commit: true })),
    )
    await waitUntilSessionsBlocked(database.sql, 1)
    await database.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
    await expectRejection(Promise.reject((await run) as Error), AmbiguousCommitError, { sqlState: '57P01' })
    await holder.rollback()
    expect(await countOf()).toBe(0)
  })
})

describe('after the commit', () => {
  test('a further call is refused and not sent', async () => {
    await using proxied = await throughProxy(database)
    const refused: unknown[] = []
    await proxied.client.$transactionWithRetry(async (tx) => {
      await tx.company.update({ where: { id }, data: { count: 5 }, commit: true })
      const further: (() => PromiseLike<unknown>)[] = [
        () => countUp(tx),
        () => tx.company.findFirst(),
        () => tx.company.findFirst({ where: { id }, lock: 'forUpdate' }),
        () => tx.$executeRaw`UPDATE "Company" SET count = 100`,
        () => tx.$queryRaw`SELECT 1`,
        () => tx.$advisoryLock('key'),
        () => tx.company.create({ data: { name: name() }, commit: true }),
      ]
      for (const call of further) refused.push(await rejectionOf(call()))
      expect(await rejectionOf(tx.$transaction(async () => Promise.resolve()))).toBeInstanceOf(Error)
    })
    for (const error of refused) expect(error).toBeInstanceOf(CommitNotSupportedError)
    expect(refused).toHaveLength(7)
    expect(proxied.sent).toHaveLength(1)
    expect(await countOf()).toBe(5)
  })

  test('what fn throws is the cause of an AlreadyCommittedError, and not retried', async () => {
    const causes = [new Error('after'), new SerializationError('of another transaction'), undefined]
    for (const cause of causes) {
      let attempts = 0
      const run = prisma.$transactionWithRetry(async (tx) => {
        attempts++
        await tx.company.update({ where: { id }, data: { count: { increment: 1 } }, commit: true })
        throw cause as Error
      })
      const error = await expectRejection(run, AlreadyCommittedError, { code: 'ALREADY_COMMITTED', retryable: false })
      expect(error.cause).toBe(cause)
      expect(attempts).toBe(1)
    }
    expect(await countOf()).toBe(3)
  })

  test('the timeout and the signal still end fn, and say that it was committed', async () => {
    const controller = new AbortController()
    const reason = new Error('the caller went away')
    const forever = (options: object, then: () => void = () => undefined) =>
      prisma.$transactionWithRetry(async (tx, { signal }) => {
        await tx.company.update({ where: { id }, data: { count: { increment: 1 } }, commit: true })
        then()
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        await new Promise(() => undefined)
      }, options)
    const expired = await expectRejection(forever({ timeout: 200 }), AlreadyCommittedError)
    expect(expired.cause).toBeInstanceOf(TransactionExpiredError)
    const aborted = await expectRejection(
      forever({ signal: controller.signal }, () => controller.abort(reason)),
      AlreadyCommittedError,
    )
    expect(aborted.cause).toBe(reason)
    expect(await countOf()).toBe(2)
  })
})

describe('while the statement waits for a lock', () => {
  test.each(['signal', 'timeout'] as const)('the %s ends it, and nothing is committed', async (how) => {
    const holder = await held(prisma, (tx) => tx.company.findUnique({ where: { id }, lock: 'forUpdate' }))
    const controller = new AbortController()
    const reason = new Error('the caller went away')
    const another = name()
    const run = rejectionOf(
      prisma.$transactionWithRetry(
        async (tx) => {
          await tx.company.create({ data: { name: another } })
          await tx.company.update({ where: { id }, data: { count: 1 }, commit: true })
        },
        how === 'signal' ? { signal: controller.signal } : { timeout: 300, lockTimeout: 300 },
      ),
    )
    await waitUntilSessionsBlocked(database.sql, 1)
    if (how === 'signal') controller.abort(reason)
    const error = await run
    if (how === 'signal') expect(error).toBe(reason)
    else expect(error).toMatchObject({ code: expect.stringMatching(/LOCK_TIMEOUT|TRANSACTION_EXPIRED/) as string })
    await holder.rollback()
    expect(await isThere(another)).toBe(false)
    expect(await countOf()).toBe(0)
  })
})

describe('at once with other calls', () => {
  test('neither is sent with COMMIT, whichever comes first', async () => {
    for (const order of ['before', 'behind'] as const) {
      const named = name()
      const run = prisma.$transactionWithRetry(async (tx) => {
        const last = () => tx.company.create({ data: { name: named }, commit: true })
        await Promise.all(order === 'before' ? [last(), countUp(tx)] : [countUp(tx), last()])
      })
      await expectRejection(run, CommitNotSupportedError)
      expect(await countOf()).toBe(0)
      expect(await isThere(named)).toBe(false)
    }
  })

  test('of several marked ones none is sent', async () => {
    const run = prisma.$transactionWithRetry((tx) =>
      Promise.all([1, 2, 3].map(() => tx.company.update({ where: { id }, data: { count: { increment: 1 } }, commit: true }))),
    )
    await expectRejection(run, CommitNotSupportedError)
    expect(await countOf()).toBe(0)
  })

  test('a refused one leaves the transaction usable', async () => {
    await prisma.$transactionWithRetry(async (tx) => {
      const results = await Promise.allSettled([tx.company.create({ data: { name: name() }, commit: true }), tx.company.findFirst()])
      expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
      await countUp(tx)
      await tx.company.update({ where: { id }, data: { count: { increment: 1 } }, commit: true })
    })
    expect(await countOf()).toBe(2)
  })
})

describe('nothing is sent and the mark is refused', () => {
  const marked = { data: { count: 5 }, commit: true } as const

  async function expectRefusal(run: PromiseLike<unknown>, message: RegExp): Promise<void> {
    const error = await expectRejection(run, CommitNotSupportedError, { code: 'COMMIT_NOT_SUPPORTED', retryable: false })
    expect(error.message).toMatch(message)
    expect(await countOf()).toBe(0)
  }

  test('outside a transaction, in Prisma’s own and in a batch', async () => {
    const call = (client: unknown) => (client as Tx).company.update({ where: { id }, ...marked })
    await expectRefusal(call(prisma), /\$transactionWithRetry/)
    await expectRefusal(
      prisma.$transaction((tx) => call(tx)),
      /\$transactionWithRetry/,
    )
    await expectRefusal(prisma.$transaction([call(prisma) as never]), /\$transactionWithRetry/)
  })

  test('in a nested transaction, and beside one', async () => {
    await expectRefusal(
      prisma.$transactionWithRetry((tx) =>
        tx.$transaction((nested) => (nested as unknown as Tx).company.update({ where: { id }, ...marked })),
      ),
      /nested/,
    )
    await expectRefusal(
      prisma.$transactionWithRetry((tx) => tx.$transaction(async () => tx.company.update({ where: { id }, ...marked }))),
      /nested/,
    )
  })

  test('not after a nested transaction, whatever became of it', async () => {
    await prisma.$transactionWithRetry(async (tx) => {
      await tx.$transaction((nested) => nested.company.update({ where: { id }, data: { count: 1 } }))
      await expect(tx.$transaction(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
      await tx.company.update({ where: { id }, data: { count: { increment: 1 } }, commit: true })
    })
    expect(await countOf()).toBe(2)
  })

  test('with a driver that does not pipeline', async () => {
    const pool = database.watch(new Pool({ connectionString: database.url, max: 2 }))
    const pg = new PrismaPg(pool)
    // As of another driver's adapter, by its name.
    const connect = async () => Object.assign(await pg.connect(), { adapterName: 'another' })
    const other = new PrismaClient({
      adapter: lockable({ provider: 'postgres', adapterName: 'another', connect } as never),
    }).$extends(rowLocks())
    await expectRefusal(
      other.$transactionWithRetry((tx) => tx.company.update({ where: { id }, ...marked })),
      /driver/,
    )
  })

  test('in the work of `once` and of a lock, which write or hold something behind it', async () => {
    await expectRefusal(
      once(prisma, name(), 1, (tx) => (tx as unknown as Tx).company.update({ where: { id }, ...marked })),
      /once/,
    )
    const locker = advisoryLocker(prisma)
    await expectRefusal(
      locker.withLock('commit', async ({ tx }) => (tx as unknown as Tx).company.update({ where: { id }, ...marked })),
      /lock/,
    )
  })

  test('when it is neither true nor false', async () => {
    const run = prisma.$transactionWithRetry((tx) => tx.company.update({ where: { id }, data: { count: 5 }, commit: 'yes' as never }))
    await expectRejection(run, InvalidOptionError, { option: 'commit' })
  })
})
