/** What a field of a model is declared with, beside its name and type. */
export interface DeclaredField {
  readonly nullable: boolean
  readonly list: boolean
  /** Whether it has `@id` or `@unique`. */
  readonly unique: boolean
  /** The native type that it names, such as `Timestamptz`; undefined for the default one. */
  readonly nativeType: string | undefined
  /** Whether Prisma gives it a value that the database does not know of. */
  readonly filledByPrisma: boolean
}

/** What the text of a schema says about one model. */
export interface SchemaBlock {
  readonly fields: ReadonlyMap<string, DeclaredField>
  /** The fields of its primary key, or else of another key that no row lacks. */
  readonly key: readonly string[] | undefined
}

/** Reads a model's block in the text of a schema; undefined when it has none. */
export function parseSchemaBlock(model: string, schema: string): SchemaBlock | undefined {
  const text = new RegExp(`^\\s*model\\s+${model}\\s*\\{([^]*?)^\\s*\\}`, 'm').exec(schema)?.[1]
  if (text === undefined) return undefined
  const lines = text.split('\n').map((line) => line.replace(/\/\/.*$/, ''))
  const fields = new Map(lines.flatMap(parseField))
  const ids = lines.flatMap((line) => keyOf(line, 'id'))
  const uniques = lines.flatMap((line) => keyOf(line, 'unique'))
  const isRequired = (key: readonly string[]) => key.every((field) => fields.get(field)?.nullable === false)
  return { fields, key: [...ids, ...uniques].find(isRequired) }
}

/** Whether `name` is an enum of which a value has another name in the database. */
export function isMappedEnum(name: string, schema: string): boolean {
  const values = new RegExp(`^\\s*enum\\s+${name}\\s*\\{([^]*?)^\\s*\\}`, 'm').exec(schema)?.[1]
  return values !== undefined && /^\s*\w[^/\n]*\s@map\(/m.test(values)
}

function parseField(line: string): [string, DeclaredField][] {
  const [, field, suffix, attributes] = /^\s*(\w+)\s+[^\s?[]+(\?|\[\])?(.*)$/.exec(line) ?? []
  if (field === undefined) return []
  return [
    [
      field,
      {
        nullable: suffix === '?',
        list: suffix === '[]',
        unique: /(^|\s)@(id|unique)\b/.test(attributes!),
        // The attribute begins with the datasource's name, which is nearly always `db`.
        nativeType: /@\w+\.(\w+)/.exec(attributes!)?.[1],
        filledByPrisma: /@updatedAt\b|@default\(\s*(cuid|nanoid|ulid|uuid)\(/.test(attributes!),
      },
    ],
  ]
}

/** The key that a line declares: of a field, or of the model. One with `where` holds for some rows only. */
function keyOf(line: string, kind: 'id' | 'unique'): string[][] {
  if (/\bwhere:/.test(line)) return []
  const field = new RegExp(`^\\s*(\\w+)\\s.*\\s@${kind}\\b`).exec(line)?.[1]
  const list = new RegExp(`^\\s*@@${kind}\\([^[]*\\[([^\\]]*)\\]`).exec(line)?.[1]
  if (field !== undefined) return [[field]]
  return list === undefined ? [] : [list.split(',').map((item) => /\w+/.exec(item)?.[0] ?? '')]
}
