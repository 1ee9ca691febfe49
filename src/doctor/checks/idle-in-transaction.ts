import { defineCheck, transactionTimeout } from '../check.js'

/** A client that stops in mid-transaction keeps its rows for as long as the server lets it. */
export const idleInTransactionCheck = defineCheck({
  name: 'idle-in-transaction',
  docs: 'docs/guarantees.md#on-which-settings',
  needs: ['database'],
  run: (facts) => {
    const { idleInTransactionTimeout: limit } = facts.database.settings
    const timeout = transactionTimeout(facts)
    const name = '`idle_in_transaction_session_timeout`'
    if (limit === 0) {
      return [
        {
          level: 'note',
          what: `${name} is 0: a client that hangs in mid-transaction keeps its row locks until its connection ends.`,
          todo: `Set a limit above ${timeout} ms, the longest that a transaction may take: ALTER ROLE … SET idle_in_transaction_session_timeout = '30s'.`,
        },
      ]
    }
    if (limit > timeout)
      return [{ level: 'ok', what: `${name} (${limit} ms) frees the locks of a client that hangs, after a transaction's ${timeout} ms.` }]
    return [
      {
        level: 'warning',
        what: `${name} (${limit} ms) is not longer than a transaction's timeout (${timeout} ms): a transaction that pauses loses its connection.`,
        todo: `Set it above ${timeout} ms, or the timeout of your transactions below ${limit} ms.`,
      },
    ]
  },
})
