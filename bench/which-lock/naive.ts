// The locks that people write by hand, as they write them. They are here to be measured, not to be used.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { Pool } from 'mysql2/promise'
import type { TestClient } from '../../test/support/client.js'

// In milliseconds, as found in the wild.
const pause = () => sleep(10 + Math.random() * 40)

/** A row is the lock: whoever can insert it has it. The losers get a unique violation, and try again. */
export async function withTableLock<R>(prisma: TestClient, key: string, run: () => Promise<R>, signal: AbortSignal): Promise<R> {
  for (;;) {
    try {
      await prisma.lease.create({ data: { key, shared: false, expiresAt: new Date() } })
      break
    } catch {
      signal.throwIfAborted()
      await pause()
    }
  }
  try {
    return await run()
  } finally {
    await prisma.lease.delete({ where: { key } })
  }
}

/** The same on MariaDB, with a withdrawal there as the work. */
export async function withdrawWithMariaTable(pool: Pool, userId: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await pool.execute('INSERT INTO lock_table (name) VALUES (?)', [`wallet-${userId}`])
      break
    } catch {
      signal.throwIfAborted()
      await pause()
    }
  }
  try {
    const [rows] = await pool.execute('SELECT balance FROM wallet WHERE user_id = ?', [userId])
    const { balance } = (rows as { balance: number }[])[0]!
    if (balance < 1) throw new Error('insufficient balance')
    await pool.execute('UPDATE wallet SET balance = ? WHERE user_id = ?', [balance - 1, userId])
    await pool.execute('INSERT INTO wallet_entry (user_id, amount) VALUES (?, -1)', [userId])
  } finally {
    await pool.execute('DELETE FROM lock_table WHERE name = ?', [`wallet-${userId}`])
  }
}

/** SET NX and DEL: no owner, no renewal. A holder that takes longer than the expiry deletes its successor's lock. */
export async function withSetNx<R>(redis: Redis, key: string, run: () => Promise<R>): Promise<R> {
  while ((await redis.set(`naive:${key}`, '1', 'EX', 5, 'NX')) === null) await pause()
  try {
    return await run()
  } finally {
    await redis.del(`naive:${key}`)
  }
}
