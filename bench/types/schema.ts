/** A schema of `models` models, each with columns of several types, an enum, a parent, children and a unique pair. */
export function generateSchema(models: number): string {
  return `generator client {
  provider            = "prisma-client"
  output              = "./generated"
  moduleFormat        = "esm"
  importFileExtension = "js"
}

datasource db {
  provider = "postgresql"
}

enum Status {
  OPEN
  HELD
  CLOSED
}

${Array.from({ length: models }, (_, index) => generateModel(index, models)).join('\n')}`
}

// An application of tens: the first model of each has the other nine as its parts, and the first of all has the other firsts.
// Relations that form a path of some twenty models make the compiler's stack overflow at the `$transaction` of any extended client.
function generateModel(index: number, models: number): string {
  const isRoot = index % 10 === 0
  const parent = isRoot ? 0 : index - (index % 10)
  const parts = isRoot ? range(index + 1, Math.min(index + 10, models)) : []
  const roots = index === 0 ? range(1, Math.ceil(models / 10)).map((ten) => ten * 10) : []
  const relations = [
    ...[...parts, ...roots].map((child) => `model${child}s Model${child}[]`),
    ...(index === 0 ? [] : [`parent   Model${parent} @relation(fields: [parentId], references: [id])`, 'parentId Int']),
  ]
  return `model Model${index} {
  id        Int      @id @default(autoincrement())
  name      String
  region    String
  status    Status   @default(OPEN)
  balance   Decimal  @default(0) @db.Decimal(18, 2)
  details   Json?
  tags      String[]
  createdAt DateTime @default(now()) @db.Timestamptz(3)
  ${relations.join('\n  ')}

  @@unique([region, name])
}
`
}

const range = (from: number, to: number) => Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index)
