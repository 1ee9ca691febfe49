import { defineCheck, transactionTimeout } from '../check.js'

/** The driver gives up, and the statement goes on in the server: with its locks, and to its effect. */
export const queryTimeoutCheck = defineCheck({
  name: 'query-timeout',
  docs: 'docs/errors.md',
  needs: ['client'],
  run: (facts) => {
    const { pool } = facts.client
    const timeout = transactionTimeout(facts)
    if (!pool)
      return [
        {
          level: 'note',
          what: `The options of the driver of ${facts.client.adapterName} are not known here: was it given a limit of its own for each query?`,
        },
      ]
    if (pool.queryTimeout === 0)
      return [{ level: 'ok', what: 'The pool has no `query_timeout`, which would leave statements running in the server.' }]
    if (pool.queryTimeout > timeout) {
      return [
        {
          level: 'ok',
          what: `The pool's \`query_timeout\` (${pool.queryTimeout} ms) is longer than a transaction's timeout (${timeout} ms).`,
        },
      ]
    }
    return [
      {
        level: 'problem',
        what: `The pool's \`query_timeout\` (${pool.queryTimeout} ms) ends within a transaction's timeout (${timeout} ms): the driver gives up on a statement that waits for a lock, and the server goes on with it.`,
        todo: `Leave it out, or set it well above ${timeout} ms; limit lock waits by \`lockTimeout\`, statements by the server's \`statement_timeout\`.`,
      },
    ]
  },
})
