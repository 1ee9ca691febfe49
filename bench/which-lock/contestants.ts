import assert from 'node:assert/strict'
import { PrismaPg } from '@prisma/adapter-pg'
import { Redis } from 'ioredis'
import { createPool, type Pool } from 'mysql2/promise'
import { lockable, rowLocks } from 'rowlock'
import { advisoryLocker, leaseLocker, memoryLocker, redisLocker, rowLocker } from 'rowlock/lockers'
import { withdraw } from 'rowlock/repositories'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import { withdrawWithMariaTable, withSetNx, withTableLock } from './naive.js'
import { withdrawUnguarded } from './withdrawal.js'

const USER = 1
const KEY = `wallet-${USER}`
/** Connections of each pool. */
export const POOL = 10
const BALANCE = 1_000_000
const TTL = 5_000

/** One way to keep withdrawals apart. */
export interface Contestant {
  readonly name: string
  readonly scope: string
  /** May give up with the signal's reason. */
  readonly withdraw: (signal: AbortSignal) => Promise<unknown>
  /** For one whose wallet is not in PostgreSQL; the ledger is checked otherwise. */
  readonly verify?: (done: number) => Promise<void>
}

interface Servers {
  readonly redis: string | undefined
  readonly mariadb: string | undefined
}

/** Makes all contestants that the machine has servers for, with one wallet between them. */
export async function openContestants(url: string, servers: Servers) {
  const adapter = lockable(new PrismaPg({ connectionString: url, max: POOL }))
  const prisma = new PrismaClient({ adapter }).$extends(rowLocks())
  const redis = servers.redis === undefined ? undefined : new Redis(servers.redis)
  const mariadb = servers.mariadb === undefined ? undefined : await openMariaDb(servers.mariadb)
  await prisma.user.create({ data: { id: USER, name: 'Ada' } })

  const unguarded = () => withdrawUnguarded(prisma, USER)
  const memory = memoryLocker()
  const row = rowLocker(prisma, 'wallet', { by: 'userId' })
  const advisory = advisoryLocker(prisma)
  const lease = leaseLocker(prisma, { ttl: TTL })

  const all: Contestant[] = [
    { name: 'lock table by hand, PostgreSQL', scope: 'one database', withdraw: (signal) => withTableLock(prisma, KEY, unguarded, signal) },
    { name: 'memoryLocker', scope: 'one process', withdraw: () => memory.withLock(KEY, unguarded) },
    {
      name: 'rowLocker',
      scope: 'one database',
      withdraw: () => row.withLock(String(USER), (held) => withdrawUnguarded(held.tx, USER)),
    },
    {
      name: 'advisoryLocker',
      scope: 'one database',
      withdraw: () => advisory.withLock(KEY, (held) => withdrawUnguarded(held.tx, USER)),
    },
    { name: 'leaseLocker', scope: 'one database', withdraw: () => lease.withLock(KEY, unguarded) },
    { name: 'withdraw: row lock and guard', scope: 'one database', withdraw: () => withdraw(prisma, { userId: USER, amount: 1 }) },
    {
      name: 'row lock with a gate',
      scope: 'one database',
      withdraw: () => prisma.$transactionWithRetry((tx) => withdraw(tx, { userId: USER, amount: 1 }), { gate: KEY }),
    },
  ]
  if (redis) {
    const locker = redisLocker(redis, { ttl: TTL })
    all.push(
      { name: 'SET NX and DEL by hand', scope: 'one Redis', withdraw: () => withSetNx(redis, KEY, unguarded) },
      { name: 'redisLocker', scope: 'one Redis', withdraw: () => locker.withLock(KEY, unguarded) },
    )
  }
  if (mariadb) {
    all.push({
      name: 'lock table by hand, MariaDB',
      scope: 'one database',
      withdraw: (signal) => withdrawWithMariaTable(mariadb, USER, signal),
      verify: (done) => verifyMariaDb(mariadb, done),
    })
  }

  return {
    prisma,
    all,
    async reset() {
      await prisma.$executeRaw`TRUNCATE "Wallet", "Lease" RESTART IDENTITY CASCADE`
      const opening = { create: { kind: 'CREDIT', amount: BALANCE, balance: BALANCE } } as const
      await prisma.wallet.create({ data: { userId: USER, balance: BALANCE, entries: opening } })
      await mariadb?.query('DELETE FROM lock_table')
      await mariadb?.query('DELETE FROM wallet_entry')
      await mariadb?.query('UPDATE wallet SET balance = ?', [BALANCE])
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([prisma.$disconnect(), redis?.quit(), mariadb?.query('DROP DATABASE rowlock_bench').then(() => mariadb.end())])
    },
  }
}

async function openMariaDb(uri: string): Promise<Pool> {
  const pool = createPool({ uri, connectionLimit: POOL, multipleStatements: true })
  await pool.query('DROP DATABASE IF EXISTS rowlock_bench; CREATE DATABASE rowlock_bench')
  await pool.end()
  const own = createPool({ uri: `${uri.replace(/\/$/, '')}/rowlock_bench`, connectionLimit: POOL })
  await own.query('CREATE TABLE lock_table (name VARCHAR(100) PRIMARY KEY)')
  await own.query('CREATE TABLE wallet (user_id INT PRIMARY KEY, balance INT NOT NULL)')
  await own.query('CREATE TABLE wallet_entry (id INT AUTO_INCREMENT PRIMARY KEY, user_id INT NOT NULL, amount INT NOT NULL)')
  await own.query('INSERT INTO wallet VALUES (?, ?)', [USER, BALANCE])
  return own
}

async function verifyMariaDb(pool: Pool, done: number): Promise<void> {
  const [rows] = await pool.query('SELECT balance, (SELECT count(*) FROM wallet_entry) AS entries FROM wallet')
  assert.deepEqual(rows, [{ balance: BALANCE - done, entries: done }])
}
