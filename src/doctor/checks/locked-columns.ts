import { defineCheck } from '../check.js'
import type { DatabaseFacts } from '../facts/database-facts.js'
import type { SchemaFacts, SchemaModelFacts } from '../facts/schema-facts.js'
import type { LockInFile } from '../facts/source-facts.js'
import type { Remark } from '../finding.js'
import { modelOf } from '../names.js'

/** A find without an index reads the whole table, with the locks of its transaction held meanwhile. */
export const lockedColumnsCheck = defineCheck({
  name: 'locked-columns',
  docs: 'docs/cli.md#what-it-checks',
  needs: ['source', 'schema', 'database'],
  run: ({ source: { locks, files }, schema, database }) => {
    if (locks.length === 0) return [{ level: 'note', what: `No locked find was found in ${files} files.` }]
    const remarks = locks.flatMap((lock) => remarkOn(lock, schema, database))
    return remarks.length > 0
      ? remarks
      : [{ level: 'ok', what: `Locked rows are looked for by an index, as far as the source tells (${locks.length} places).` }]
  },
})

function remarkOn(lock: LockInFile, schema: SchemaFacts, database: DatabaseFacts): Remark[] {
  const model = modelOf(lock, schema)
  const columns = model && columnsOf(lock, model)
  if (!model || !columns || columns.length === 0 || hasIndex(model, columns, database)) return []
  return [
    {
      level: 'warning',
      what: `${lock.place} locks ${model.name} by ${columns.join(', ')}, with which no index begins: it reads the whole table.`,
      todo: `Add \`@@index\` for it to the model ${model.name}.`,
    },
  ]
}

/** Undefined when it also goes by what only the running program or another table knows. */
function columnsOf({ where }: LockInFile, { columns }: SchemaModelFacts): string[] | undefined {
  const found: string[] = []
  for (const { name, inner } of where ?? []) {
    if (columns.has(name)) found.push(columns.get(name)!)
    else if (inner.length > 0 && inner.every((field) => columns.has(field))) found.push(...inner.map((field) => columns.get(field)!))
    else return undefined
  }
  return where && found
}

function hasIndex({ table, schema }: SchemaModelFacts, columns: readonly string[], { indexes }: DatabaseFacts): boolean {
  return indexes.some(
    (index) => index.table === table && (schema === undefined || index.schema === schema) && columns.includes(index.columns[0] ?? ''),
  )
}
