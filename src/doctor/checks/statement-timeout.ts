import { defineCheck, transactionTimeout } from '../check.js'

/** The wait for a lock is part of the statement that asks for it. */
export const statementTimeoutCheck = defineCheck({
  name: 'statement-timeout',
  docs: 'docs/errors.md',
  needs: ['database'],
  run: (facts) => {
    const { statementTimeout } = facts.database.settings
    const timeout = transactionTimeout(facts)
    if (statementTimeout === 0) return [{ level: 'ok', what: '`statement_timeout` is 0: no lock wait is cut short by it.' }]
    if (statementTimeout > timeout) {
      return [
        { level: 'ok', what: `\`statement_timeout\` (${statementTimeout} ms) is longer than a transaction's timeout (${timeout} ms).` },
      ]
    }
    return [
      {
        level: 'warning',
        what: `\`statement_timeout\` (${statementTimeout} ms) ends within a transaction's timeout (${timeout} ms), so that a lock wait ends as a \`StatementTimeoutError\`, which names no holder.`,
        todo: `Set \`lockTimeout\` of your transactions below ${statementTimeout} ms, or \`statement_timeout\` above ${timeout} ms.`,
      },
    ]
  },
})
