/** What rowlock knows of a model at run time. */
export interface SchemaModel {
  readonly name: string
  /** All its fields, relations included. */
  readonly fields: ReadonlySet<string>
  /** Its fields with `@id` or `@unique`; undefined when the schema could not be read. */
  readonly uniqueFields: ReadonlySet<string> | undefined
}

interface ClientInternals {
  readonly _runtimeDataModel?: { readonly models: Record<string, { readonly fields: readonly { readonly name: string }[] }> }
  readonly _engineConfig?: { readonly inlineSchema?: string }
}

type Models = ReadonlyMap<string, SchemaModel>

// A client, its extensions and its transactions share one data model: it is read once for all of them.
const known = new WeakMap<object, Models>()

/** The models of a client. */
export function readSchemaModels(client: unknown): Models {
  const { _runtimeDataModel, _engineConfig } = client as ClientInternals
  if (!_runtimeDataModel) return new Map()
  const models = known.get(_runtimeDataModel) ?? parseModels(_runtimeDataModel.models, _engineConfig?.inlineSchema)
  known.set(_runtimeDataModel, models)
  return models
}

/**
 * Prisma's generated client carries the fields of each model as data, and which of them are unique only
 * in the text of the schema.
 */
function parseModels(models: NonNullable<ClientInternals['_runtimeDataModel']>['models'], schema: string | undefined): Models {
  return new Map(
    Object.entries(models).map(([name, { fields }]) => [
      name,
      { name, fields: new Set(fields.map((field) => field.name)), uniqueFields: schema && uniqueFieldsOf(name, schema) },
    ]) as [string, SchemaModel][],
  )
}

function uniqueFieldsOf(model: string, schema: string): ReadonlySet<string> | undefined {
  const block = new RegExp(`^\\s*model\\s+${model}\\s*\\{([^]*?)^\\s*\\}`, 'm').exec(schema)?.[1]
  if (block === undefined) return undefined
  const unique = new Set<string>()
  for (const line of block.split('\n')) {
    const [, field, attributes] = /^\s*(\w+)\s+\S+(.*)$/.exec(line.replace(/\/\/.*$/, '')) ?? []
    if (field !== undefined && /(^|\s)@(id|unique)\b/.test(attributes!)) unique.add(field)
  }
  return unique
}
