import { defineCheck } from '../check.js'

/** Without `lockable()` a lock never reaches the SQL. */
export const adapterCheck = defineCheck({
  name: 'adapter',
  docs: 'README.md#set-up',
  needs: ['client'],
  run: ({ client: { wrapped, adapterName } }) => {
    if (wrapped) return [{ level: 'ok', what: `The driver adapter (${adapterName}) is wrapped in \`lockable()\`.` }]
    return [
      {
        level: 'problem',
        what: `The driver adapter (${adapterName}) is not wrapped in \`lockable()\`, so that every locked find is refused.`,
        todo: 'Make the client with `new PrismaClient({ adapter: lockable(adapter) })`.',
      },
    ]
  },
})
