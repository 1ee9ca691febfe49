/** What the text of a Prisma schema says about tables, in the names of the database. */
export interface SchemaFacts {
  readonly models: readonly SchemaModelFacts[]
}

export interface SchemaModelFacts {
  readonly name: string
  /** What `@@map` says, or the model's name. */
  readonly table: string
  /** What `@@schema` says. */
  readonly schema: string | undefined
  /** The columns by the fields that they are for. */
  readonly columns: ReadonlyMap<string, string>
  /** The models that a foreign key of this one refers to. */
  readonly refersTo: readonly string[]
}

/** Reads the models of a schema. What is no valid schema has none. */
export function parseSchema(text: string): SchemaFacts {
  const blocks = [...text.matchAll(/^\s*model\s+(\w+)\s*\{([^]*?)^\s*\}/gm)].map(([, name, body]) => ({
    name: name!,
    lines: linesOf(body!),
  }))
  const names = new Set(blocks.map(({ name }) => name))
  return { models: blocks.map(({ name, lines }) => parseModel(name, lines, names)) }
}

const linesOf = (body: string): string[] => body.split('\n').map((line) => line.replace(/^\s*\/\/.*$/, '').trim())

function parseModel(name: string, lines: readonly string[], models: ReadonlySet<string>): SchemaModelFacts {
  const fields = lines.flatMap(parseField)
  return {
    name,
    table: attributeText(lines, '@@map') ?? name,
    schema: attributeText(lines, '@@schema'),
    columns: new Map(fields.filter(({ type }) => !models.has(type)).map(({ field, column }) => [field, column])),
    refersTo: [...new Set(fields.filter(({ type, hasKey }) => models.has(type) && hasKey).map(({ type }) => type))],
  }
}

interface ParsedField {
  readonly field: string
  readonly type: string
  readonly column: string
  /** Whether it is the side of a relation that has the foreign key. */
  readonly hasKey: boolean
}

function parseField(line: string): ParsedField[] {
  const [, field, type, attributes] = /^(\w+)\s+(\w+)\S*(.*)$/.exec(line) ?? []
  if (field === undefined) return []
  const column = /\s@map\(\s*(?:name:\s*)?"([^"]*)"/.exec(attributes!)?.[1] ?? field
  return [{ field, type: type!, column, hasKey: /@relation\(.*\bfields:/.test(attributes!) }]
}

function attributeText(lines: readonly string[], attribute: string): string | undefined {
  const line = lines.find((one) => one.startsWith(`${attribute}(`))
  return line && /"([^"]*)"/.exec(line)?.[1]
}
