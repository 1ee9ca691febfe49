import { defineCheck } from '../check.js'

const READ_COMMITTED = ['read committed', 'read uncommitted']

/** Row locks are made for READ COMMITTED: above it a wait ends in an error instead of the row as it is now. */
export const isolationCheck = defineCheck({
  name: 'isolation',
  docs: 'docs/isolation.md',
  needs: ['database'],
  run: ({ client, database: { settings } }) => {
    const own = client?.transaction.isolationLevel
    const level = own?.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase() ?? settings.isolation
    const from = own === undefined ? 'of the database' : 'of the client'
    if (READ_COMMITTED.includes(level))
      return [{ level: 'ok', what: `The isolation level ${from} is ${level}, for which row locks are made.` }]
    return [
      {
        level: 'note',
        what: `The isolation level ${from} is ${level}: a lock that was waited for ends in a \`SerializationError\` when its row has changed.`,
        todo: 'Run such transactions by `$transactionWithRetry`, which runs them again, or take READ COMMITTED together with row locks.',
      },
    ]
  },
})
