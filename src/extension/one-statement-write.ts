import type { SchemaModel } from './schema-model.js'

type Args = Record<string, unknown>

/** The operations that Prisma 7 renders as one statement, as long as they are about the model's own columns. */
const WRITES = [
  'create',
  'createMany',
  'createManyAndReturn',
  'update',
  'updateMany',
  'updateManyAndReturn',
  'delete',
  'deleteMany',
] as const

// Prisma 7 cuts a statement for PostgreSQL into several that have at most 32,766 values each.
const MOST_VALUES = 32_000

/**
 * Why a call may take more than one SQL statement, or none, as a sentence without its full stop; undefined when it
 * takes exactly one.
 *
 * Measured with Prisma 7.10: a relation that is written or returned takes statements of its own (also by an
 * empty object, or a `connect` that names the key), and so does a `_count`.
 */
export function whyNotOneStatement(operation: string, model: SchemaModel, args: Args): string | undefined {
  if (!(WRITES as readonly string[]).includes(operation)) return `\`${operation}\` is none of ${WRITES.join(', ')}`
  return whyOfSelection(model, args) ?? whyOfData(operation, model, args) ?? whyOfSize(operation, model, args)
}

function whyOfSelection(model: SchemaModel, { select, include }: Args): string | undefined {
  const included = Object.entries(include ?? {}).find(([, value]) => isAsked(value))
  if (included) return `\`include.${included[0]}\` takes a statement of its own; read it in another transaction`
  const selected = Object.entries(select ?? {}).find(([field, value]) => isAsked(value) && (field === '_count' || isRelation(model, field)))
  return selected && `\`select.${selected[0]}\` takes a statement of its own; read it in another transaction`
}

function whyOfData(operation: string, model: SchemaModel, args: Args): string | undefined {
  if (operation.startsWith('delete')) return undefined
  const rows = rowsOf(args)
  if (rows.length === 0) return '`data` has no row'
  for (const row of rows) {
    const relation = Object.keys(row).find((field) => isRelation(model, field) && row[field] !== undefined)
    if (relation !== undefined) return `\`data.${relation}\` takes statements of its own; write its foreign key, or write it before`
  }
  const changesNothing = operation.startsWith('update') && Object.values(rows[0]!).every((value) => value === undefined)
  return changesNothing ? '`data` changes nothing' : undefined
}

function whyOfSize(operation: string, model: SchemaModel, args: Args): string | undefined {
  const written = operation.startsWith('create') ? rowsOf(args).length * model.columns.size : countValues(args['data'])
  return written + countValues(args['where']) > MOST_VALUES ? `it may have more than ${MOST_VALUES} values` : undefined
}

const isAsked = (value: unknown) => value !== false && value !== undefined

const isRelation = ({ fields, columns }: SchemaModel, field: string) => fields.has(field) && !columns.has(field)

/** What is no object Prisma refuses by itself, before it renders anything. */
function rowsOf({ data }: Args): Args[] {
  const rows: unknown[] = Array.isArray(data) ? data : [data ?? {}]
  return rows.filter((row): row is Args => typeof row === 'object' && row !== null)
}

/** How many parameters a part of the arguments makes, at most. */
function countValues(part: unknown): number {
  if (Array.isArray(part)) return part.reduce((sum: number, item) => sum + countValues(item), 0)
  if (typeof part !== 'object' || part === null) return 1
  return Object.values(part).reduce((sum: number, item) => sum + countValues(item), 1)
}
