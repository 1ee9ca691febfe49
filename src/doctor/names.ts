import type { SchemaFacts, SchemaModelFacts } from './facts/schema-facts.js'
import type { FoundLock } from './facts/find-locks.js'

/** `wallet` for `Wallet`, as the client names it. */
const delegateOf = ({ name }: SchemaModelFacts): string => name.charAt(0).toLowerCase() + name.slice(1)

/** The model that a lock is of; undefined when the schema has none of this name. */
export function modelOf({ of }: FoundLock, { models }: SchemaFacts): SchemaModelFacts | undefined {
  if ('model' in of) return models.find((model) => delegateOf(model) === of.model)
  return models.find(({ table }) => table === of.table) ?? models.find(({ table }) => table.toLowerCase() === of.table.toLowerCase())
}
