import { defineCheck } from '../check.js'

/** Without `rowLocks()` Prisma knows no `lock`. */
export const extensionCheck = defineCheck({
  name: 'extension',
  docs: 'README.md#set-up',
  needs: ['client'],
  run: ({ client: { extended } }) => {
    if (extended) return [{ level: 'ok', what: 'The client has the extension `rowLocks()`.' }]
    return [
      {
        level: 'problem',
        what: 'The client does not have the extension `rowLocks()`, so that it knows neither `lock` nor `$transactionWithRetry`.',
        todo: 'Export the client that `.$extends(rowLocks())` returns.',
      },
    ]
  },
})
