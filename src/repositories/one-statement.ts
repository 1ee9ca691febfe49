import { findDirectRoute } from '../adapter/direct-route.js'
import { driverErrorCause } from '../core/error-sql-state.js'
import { isRowLockError } from '../core/errors.js'
import { sendDirectly } from '../extension/direct-query.js'
import { isWritableDirectly, type SchemaTable, tableOf } from '../extension/schema-model.js'
import { recordDeadlock } from '../transaction/deadlock-history.js'
import type { Rows } from './repository-client.js'

/** A table and its columns by their fields, in the names of the database and quoted. */
export type Table<Model extends keyof Rows> = Readonly<Record<keyof Rows[Model] | '$table', string>>

/** An operation as one statement, for the tables of whatever schema the client has. */
export interface StatementTemplate {
  /** What it does, for the message of an error. */
  readonly subject: string
  /** The model whose row it locks and decides on. */
  readonly model: keyof Rows
  /** All models whose tables it writes. */
  readonly writes: readonly (keyof Rows)[]
  readonly render: (table: <Model extends keyof Rows>(model: Model) => Table<Model>) => string
}

// Failures after which the transaction has the answer: a deadlock or a conflict, which it retries; a statement
// that never left; a row that is there already, or not any more, or that the schema wants more of.
const LEFT_TO_THE_TRANSACTION = ['DEADLOCK', 'SERIALIZATION_FAILURE', 'CONNECTION_LOST']
const CONSTRAINTS = ['UniqueConstraintViolation', 'ForeignKeyConstraintViolation', 'NullConstraintViolation']

// By the configuration of a client, which all that is made of it share. Not by the data model: that is one for all
// clients of the generated code, and each of them may be told another schema of the database.
const rendered = new WeakMap<object, Map<StatementTemplate, string | undefined>>()

/**
 * Runs an operation that goes well as one statement: it waits for the row's lock, decides on what the row
 * then holds, and changes it with all that belongs to it, in one round trip and committed by itself.
 *
 * @returns its row; undefined when it has none, or could not be run: nothing was changed then.
 */
export async function runOneStatement<Row>(db: unknown, template: StatementTemplate, values: readonly unknown[]): Promise<Row | undefined> {
  const rows = await runStatement<Row>(db, template, values)
  return rows?.[0]
}

/** As {@link runOneStatement}, for a statement of several rows. */
export async function runStatement<Row>(db: unknown, template: StatementTemplate, values: readonly unknown[]): Promise<Row[] | undefined> {
  const route = await findDirectRoute(db)
  const text = route && textFor(db, template)
  if (text === undefined) return undefined
  try {
    return await sendDirectly<Row>(route!, { text, values }, template)
  } catch (error) {
    recordDeadlock(db as object, error)
    if (isLeftToTheTransaction(error)) return undefined
    throw error
  }
}

/**
 * The limit of a wait, as a transaction of its own has it by default: a condition that PostgreSQL evaluates
 * once and before it looks for rows. `true` takes it back when the statement ends.
 */
export const WITHIN_LOCK_TIMEOUT = `(SELECT set_config('lock_timeout', '4750ms', true)) IS NOT NULL`

/** The time now, as precise as the columns that hold it: rounding would put it into the future. */
export const NOW = `date_trunc('milliseconds', clock_timestamp())`

/** Columns by the names of their fields, for a RETURNING or SELECT list. */
export function columns<Field extends string>(table: Readonly<Record<Field, string>>, alias: string, fields: readonly Field[]): string {
  return fields.map((field) => `"${alias}".${table[field]} AS "${field}"`).join(', ')
}

function isLeftToTheTransaction(error: unknown): boolean {
  if (isRowLockError(error)) return LEFT_TO_THE_TRANSACTION.includes(error.code)
  return CONSTRAINTS.includes(String(driverErrorCause(error)?.['kind']))
}

function textFor(client: unknown, template: StatementTemplate): string | undefined {
  const { _engineConfig: config } = client as { readonly _engineConfig?: object }
  if (!config) return undefined
  const texts = rendered.get(config) ?? new Map<StatementTemplate, string | undefined>()
  rendered.set(config, texts)
  if (!texts.has(template)) texts.set(template, render(client, template))
  return texts.get(template)
}

/** @returns undefined where Prisma writes what PostgreSQL alone does not, such as `@updatedAt`. */
function render(client: unknown, { writes, render: toText }: StatementTemplate): string | undefined {
  if (!writes.every((model) => isWritableDirectly(client, model))) return undefined
  // The types of the repositories ask for every model and field.
  return toText((model) => toTable(tableOf(client, model)!))
}

const toTable = <Model extends keyof Rows>({ name, columns: names }: SchemaTable): Table<Model> =>
  ({ ...Object.fromEntries(names), $table: name }) as Table<Model>
