import { defineCheck, transactionTimeout } from '../check.js'
import type { Remark } from '../finding.js'

/**
 * Prisma's `timeout` cannot end a lock wait: its ROLLBACK queues behind the statement that waits. Only `lock_timeout` can;
 * rowlock's own transactions set it, and a plain `$transaction` has the server's.
 */
export const lockTimeoutCheck = defineCheck({
  name: 'lock-timeout',
  docs: 'README.md#transactions',
  needs: ['database'],
  run: (facts) => {
    const { lockTimeout, deadlockTimeout } = facts.database.settings
    const timeout = transactionTimeout(facts)
    if (lockTimeout === 0) return [unlimited(timeout)]
    if (lockTimeout > timeout) return [tooLong(lockTimeout, timeout)]
    if (lockTimeout <= deadlockTimeout) return [beforeDeadlock(lockTimeout, deadlockTimeout)]
    return [{ level: 'ok', what: `A lock wait ends after \`lock_timeout\` (${lockTimeout} ms), within a transaction's ${timeout} ms.` }]
  },
})

const unlimited = (timeout: number): Remark => ({
  level: 'note',
  what: `\`lock_timeout\` is 0: in a plain \`$transaction\` a lock wait goes on after its timeout (${timeout} ms), and keeps its connection.`,
  todo: `Use \`$transactionWithRetry\`, which limits every wait, or set a limit: ALTER ROLE … SET lock_timeout = ${Math.floor(timeout * 0.9)}.`,
})

const tooLong = (lockTimeout: number, timeout: number): Remark => ({
  level: 'warning',
  what: `\`lock_timeout\` (${lockTimeout} ms) is longer than a transaction's timeout (${timeout} ms), which cannot end a lock wait.`,
  todo: `Set it below: ALTER ROLE … SET lock_timeout = ${Math.floor(timeout * 0.9)}; or use \`$transactionWithRetry\`, which does.`,
})

const beforeDeadlock = (lockTimeout: number, deadlockTimeout: number): Remark => ({
  level: 'note',
  what: `\`lock_timeout\` (${lockTimeout} ms) ends a wait before PostgreSQL looks for a deadlock (\`deadlock_timeout\`, ${deadlockTimeout} ms), so that deadlocks are lock timeouts, which are not retried.`,
  todo: 'Make it longer than `deadlock_timeout`, or retry `LOCK_TIMEOUT` as well with `retry.on`.',
})
