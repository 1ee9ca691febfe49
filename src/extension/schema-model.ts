import { propertyOf } from '../core/option-checks.js'
import { quoteIdentifier } from '../sql/identifier.js'
import { type DeclaredField, isMappedEnum, parseSchemaBlock, type SchemaBlock } from './schema-block.js'

/** What rowlock knows of a model at run time. */
export interface SchemaModel {
  readonly name: string
  /** Its table's name in the database, without its schema. */
  readonly table: string
  /** All its fields, relations included. */
  readonly fields: ReadonlySet<string>
  /** Its fields with `@id` or `@unique`; undefined when the schema could not be read. */
  readonly uniqueFields: ReadonlySet<string> | undefined
  /** Its fields with a column, by name. */
  readonly columns: ReadonlyMap<string, SchemaColumn>
  /** The fields of its primary key, or else of another key that no row lacks; undefined when the schema tells of none. */
  readonly key: readonly string[] | undefined
}

/** A field with a column of its own. */
export interface SchemaColumn extends Partial<DeclaredField> {
  /** The column's name in the database. */
  readonly name: string
  /** Prisma's name of the field's type, or an enum's. */
  readonly type: string
}

/** A model's table, in the names of the database and quoted. */
export interface SchemaTable {
  /** With its schema. */
  readonly name: string
  /** The columns by the fields that they are for. */
  readonly columns: ReadonlyMap<string, string>
}

interface RuntimeField {
  readonly name: string
  readonly kind: string
  readonly type: string
  readonly dbName?: string
}

interface DataModel {
  /** What `@@map` says. */
  readonly dbName: string | null
  /** What `@@schema` says. */
  readonly schema: string | null
  readonly fields: readonly RuntimeField[]
}

interface ClientInternals {
  readonly _runtimeDataModel?: { readonly models: Record<string, DataModel> }
  readonly _engineConfig?: { readonly inlineSchema?: string; readonly adapter?: { readonly options?: { readonly schema?: string } } }
}

type Models = ReadonlyMap<string, SchemaModel>

// A client, its extensions and its transactions share one data model: it is read once for all of them.
const known = new WeakMap<object, Models>()

/** Of anything, as it may be what somebody took for a client. */
function internalsOf(client: unknown): ClientInternals {
  return {
    _runtimeDataModel: propertyOf(client, '_runtimeDataModel') as ClientInternals['_runtimeDataModel'],
    _engineConfig: propertyOf(client, '_engineConfig') as ClientInternals['_engineConfig'],
  }
}

/** The models of a client. */
export function readSchemaModels(client: unknown): Models {
  const { _runtimeDataModel, _engineConfig } = internalsOf(client)
  if (!_runtimeDataModel) return new Map()
  const models = known.get(_runtimeDataModel) ?? parseModels(_runtimeDataModel.models, _engineConfig?.inlineSchema)
  known.set(_runtimeDataModel, models)
  return models
}

/**
 * The table of a model, for SQL that Prisma does not write: in the schema of `@@schema`, else in that of
 * the driver adapter, else in `public`, where Prisma looks for it. Undefined when there is no such model.
 */
export function tableOf(client: unknown, model: unknown): SchemaTable | undefined {
  if (typeof model !== 'string') return undefined
  const { _runtimeDataModel, _engineConfig } = internalsOf(client)
  const models = _runtimeDataModel?.models
  if (!models || !Object.hasOwn(models, model)) return undefined
  const columns = models[model]!.fields.filter(({ kind }) => kind !== 'object').map(
    (field) => [field.name, quoteIdentifier(field.dbName ?? field.name)] as const,
  )
  return {
    name: placeOf(model, models[model]!, _engineConfig).map(quoteIdentifier).join('.'),
    columns: new Map(columns),
  }
}

/** The model of a table, by the table's names in the database; undefined when the client has none for it. */
export function modelOfTable(client: unknown, schema: string, table: string): SchemaModel | undefined {
  const { _runtimeDataModel, _engineConfig } = internalsOf(client)
  const found = Object.entries(_runtimeDataModel?.models ?? {}).find(([name, model]) => {
    const [schemaOfModel, tableOfModel] = placeOf(name, model, _engineConfig)
    return tableOfModel === table && schemaOfModel === schema
  })
  return found && readSchemaModels(client).get(found[0])
}

/** The schema and the name of a model's table. */
function placeOf(name: string, { dbName, schema }: DataModel, config: ClientInternals['_engineConfig']): readonly [string, string] {
  return [schema ?? config?.adapter?.options?.schema ?? 'public', dbName ?? name]
}

/**
 * Whether a row can be written in SQL as Prisma would write it: no column has a value that Prisma makes, such as
 * `@updatedAt` and `@default(uuid())`, or is an enum with values of other names in the database.
 */
export function isWritableDirectly(client: unknown, model: string): boolean {
  const { inlineSchema = '' } = (client as ClientInternals)._engineConfig ?? {}
  const columns = [...(readSchemaModels(client).get(model)?.columns.values() ?? [])]
  return columns.length > 0 && columns.every(({ filledByPrisma, type }) => filledByPrisma === false && !isMappedEnum(type, inlineSchema))
}

/**
 * Prisma's generated client carries the fields of each model as data, and what they are declared with only
 * in the text of the schema.
 */
function parseModels(models: Record<string, DataModel>, schema = ''): Models {
  return new Map(Object.entries(models).map(([name, model]) => [name, toSchemaModel(name, model, parseSchemaBlock(name, schema))] as const))
}

function toSchemaModel(name: string, { dbName, fields }: DataModel, block: SchemaBlock | undefined): SchemaModel {
  const stored = fields.filter(({ kind }) => kind !== 'object')
  return {
    name,
    table: dbName ?? name,
    fields: new Set(fields.map((field) => field.name)),
    uniqueFields: block && new Set([...block.fields].filter(([, { unique }]) => unique).map(([field]) => field)),
    columns: new Map(
      stored.map((field) => [field.name, { ...block?.fields.get(field.name), name: field.dbName ?? field.name, type: field.type }]),
    ),
    key: block?.key,
  }
}
