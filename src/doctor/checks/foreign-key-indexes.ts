import { defineCheck } from '../check.js'
import type { ForeignKey, TableIndex } from '../facts/database-facts.js'

/** PostgreSQL makes no index for a foreign key, and looks its rows up whenever a row that they refer to is deleted. */
export const foreignKeyIndexesCheck = defineCheck({
  name: 'foreign-key-indexes',
  docs: 'docs/cli.md#what-it-checks',
  needs: ['database'],
  run: ({ database: { foreignKeys, indexes } }) => {
    const bare = foreignKeys.filter((key) => !indexes.some((index) => covers(index, key)))
    if (bare.length === 0)
      return [{ level: 'ok', what: `Every foreign key has an index (${foreignKeys.length} of ${foreignKeys.length}).` }]
    return bare.map(({ table, columns, parent }) => ({
      level: 'warning' as const,
      what: `${table} refers to ${parent} by ${columns.join(', ')}, which has no index: deleting a row of ${parent} reads all of ${table} while it is locked.`,
      todo: `Add \`@@index\` for it to the model of ${table}.`,
    }))
  },
})

/** In any order, before every other column. */
function covers(index: TableIndex, { schema, table, columns }: ForeignKey): boolean {
  const first = index.columns.slice(0, columns.length)
  return index.schema === schema && index.table === table && columns.every((column) => first.includes(column))
}
