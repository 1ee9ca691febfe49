import { defineCheck, transactionTimeout } from '../check.js'

/** PostgreSQL 17 ends the session, and not only the transaction. */
export const transactionTimeoutCheck = defineCheck({
  name: 'transaction-timeout',
  docs: 'docs/errors.md',
  needs: ['database'],
  run: (facts) => {
    const { transactionTimeout: limit } = facts.database.settings
    const timeout = transactionTimeout(facts)
    if (limit === 0 || limit > timeout)
      return [{ level: 'ok', what: `No \`transaction_timeout\` ends a transaction before its own timeout (${timeout} ms).` }]
    return [
      {
        level: 'warning',
        what: `\`transaction_timeout\` (${limit} ms) is not longer than a transaction's timeout (${timeout} ms), and ends the connection with the transaction.`,
        todo: `Set it above ${timeout} ms, or the timeout of your transactions below ${limit} ms.`,
      },
    ]
  },
})
