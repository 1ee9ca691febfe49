import { InvalidOptionError, LockNotSupportedError } from '../core/errors.js'
import { readOptions } from '../core/option-checks.js'
import { schemaOfDelegate } from '../extension/row-locks.js'
import type { SchemaColumn, SchemaModel } from '../extension/schema-model.js'
import type { TimeColumn } from '../sql/update-statement.js'

interface PartRule {
  readonly type: 'Int' | 'DateTime' | 'String'
  readonly required: boolean
  /** Whether the field must be nullable (true) or must not be (false). Default: either. */
  readonly nullable?: boolean
}

const PARTS = {
  attempt: { type: 'Int', required: true, nullable: false },
  leaseExpiresAt: { type: 'DateTime', required: true, nullable: true },
  completedAt: { type: 'DateTime', required: true, nullable: true },
  runAt: { type: 'DateTime', required: false },
  failedAt: { type: 'DateTime', required: false, nullable: true },
  error: { type: 'String', required: false },
} as const satisfies Record<string, PartRule>

type Part = keyof typeof PARTS
type RequiredPart = { [P in Part]: (typeof PARTS)[P]['required'] extends true ? P : never }[Part]
const PART_NAMES = Object.keys(PARTS) as Part[]

/** A field of the user's model with a part in the queue. */
export interface JobField {
  /** Its name in Prisma. */
  readonly field: string
  readonly column: SchemaColumn
}

/** The user's model as a job queue. */
export interface JobTable {
  readonly model: SchemaModel
  /** The fields of its key. */
  readonly key: readonly string[]
  readonly parts: Readonly<Record<RequiredPart, JobField> & Partial<Record<Part, JobField>>>
}

/**
 * Finds out which fields of a model have which part in the queue.
 *
 * @throws {InvalidOptionError} when `delegate` is no model of a client with `rowLocks()`, or a field cannot have the part.
 * @throws {LockNotSupportedError} when the schema tells of no key by which a row could be found again.
 */
export function readJobTable(delegate: unknown, columns: unknown = {}): JobTable {
  const model = schemaOfDelegate(delegate)
  if (!model) throw new InvalidOptionError('model', delegate, 'a model of a client with `rowLocks()`, such as `prisma.job`')
  columns = readOptions(columns, PART_NAMES, 'columns')
  const key = keyOf(model)
  const parts: Partial<Record<Part, JobField>> = {}
  for (const part of PART_NAMES) {
    const found = findField(part, (columns as Partial<Record<Part, unknown>>)[part], model)
    if (!found) continue
    if (key.includes(found.field) || Object.values(parts).some(({ field }) => field === found.field)) {
      throw new InvalidOptionError(`columns.${part}`, found.field, 'a field that has no other part and is not in the key')
    }
    parts[part] = found
  }
  return { model, key, parts: parts as JobTable['parts'] }
}

export const timeColumn = ({ column: { name, nativeType } }: JobField): TimeColumn => ({ name, withTimeZone: nativeType === 'Timestamptz' })

function keyOf(model: SchemaModel): readonly string[] {
  if (model.key) return model.key
  throw new LockNotSupportedError(`${model.name} has no key by which a claimed job could be found again; give it an \`@id\`.`, {
    model: model.name,
  })
}

function findField(part: Part, given: unknown, model: SchemaModel): JobField | undefined {
  const rule: PartRule = PARTS[part]
  if (given === null && !rule.required) return undefined
  const field = given === undefined ? part : given
  const column = typeof field === 'string' ? model.columns.get(field) : undefined
  if (!column && given === undefined && !rule.required) return undefined
  if (column && fits(column, rule)) return { field: field as string, column }
  throw new InvalidOptionError(`columns.${part}`, given === undefined && column ? part : given, describeRule(part, rule, model))
}

// Dates and times of day are no moments.
const MOMENTS = [undefined, 'Timestamp', 'Timestamptz']

function fits({ type, list, nullable, nativeType }: SchemaColumn, rule: PartRule): boolean {
  if (type !== rule.type || list === true) return false
  if (rule.nullable !== undefined && nullable !== undefined && nullable !== rule.nullable) return false
  return type !== 'DateTime' || MOMENTS.includes(nativeType)
}

function describeRule(part: Part, { type, required, nullable }: PartRule, { name, columns }: SchemaModel): string {
  const types = nullable === undefined ? `${type} or ${type}?` : nullable ? `${type}?` : type
  const missing = required && !columns.has(part) ? `, as it has no \`${part}\`` : ''
  return `the name of a field of ${name} of type ${types}${required ? '' : ', or null'}${missing}`
}
