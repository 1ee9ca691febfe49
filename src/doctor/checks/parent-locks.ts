import { defineCheck } from '../check.js'
import { modelOf } from '../names.js'
import type { Remark } from '../finding.js'
import type { LockInFile } from '../facts/source-facts.js'
import type { SchemaFacts } from '../facts/schema-facts.js'

/** The check of a foreign key takes KEY SHARE on the row that is referred to, with which of all locks only FOR UPDATE conflicts. */
export const parentLocksCheck = defineCheck({
  name: 'parent-locks',
  docs: 'README.md#row-locks',
  needs: ['source', 'schema'],
  run: ({ source: { locks }, schema }) => {
    const remarks = locks.flatMap((lock) => remarkOn(lock, schema))
    if (remarks.length > 0) return remarks
    return [{ level: 'ok', what: 'No row that others refer to is locked FOR UPDATE only to be edited.' }]
  },
})

function remarkOn(lock: LockInFile, schema: SchemaFacts): Remark[] {
  if (lock.strength !== 'forUpdate' || lock.deletes) return []
  const model = modelOf(lock, schema)
  const children = schema.models.filter(({ refersTo }) => model && refersTo.includes(model.name)).map(({ name }) => name)
  if (!model || children.length === 0) return []
  const others = children.length > 3 ? `${children.slice(0, 3).join(', ')} and ${children.length - 3} more` : children.join(', ')
  const instead = 'model' in lock.of ? "`lock: 'forNoKeyUpdate'`" : 'FOR NO KEY UPDATE'
  return [
    {
      level: 'warning',
      what: `${lock.place} locks ${model.name} FOR UPDATE: until it is released, who inserts a row that refers to it waits (${others}).`,
      todo: `Use ${instead} there, unless the row is deleted or its key is changed.`,
    },
  ]
}
