import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generateSchema } from './schema.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** One way to use the same schema; all run the same queries. */
export interface Variant {
  readonly name: string
  /** What stands behind `new PrismaClient({ adapter })`. */
  readonly extend: string
  /** Whether the queries of a transaction lock what they read. */
  readonly locks: boolean
}

export const variants = {
  plain: { name: 'Prisma alone', extend: '', locks: false },
  extended: { name: 'an empty extension', extend: '.$extends({})', locks: false },
  rowLocks: { name: 'rowLocks()', extend: '.$extends(rowLocks())', locks: false },
  locking: { name: 'rowLocks(), every transaction locks', extend: '.$extends(rowLocks())', locks: true },
} as const satisfies Readonly<Record<string, Variant>>

interface ProjectOptions {
  /** A folder of which all that is there is removed. Below this repository, so that its packages are found. */
  readonly folder: string
  readonly models: number
  /** The file that `rowlock` stands for. */
  readonly rowlock: string
}

/** Writes a schema, its generated client, and for each variant a folder with a client and queries of every model. */
export function createProject({ folder, models, rowlock }: ProjectOptions): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'schema.prisma'), generateSchema(models))
  generateClient(join(folder, 'schema.prisma'))
  for (const [key, variant] of Object.entries(variants)) writeVariant(join(folder, key), variant, models, rowlock)
}

function generateClient(schema: string): void {
  const env = { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, PRISMA_HIDE_UPDATE_MESSAGE: '1', ...process.env }
  const prisma = join(root, 'node_modules/prisma/build/index.js')
  const { status, stderr } = spawnSync(process.execPath, [prisma, 'generate', '--schema', schema], { cwd: root, env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`The client could not be generated:\n${stderr}`)
}

function writeVariant(folder: string, { extend, locks }: Variant, models: number, rowlock: string): void {
  mkdirSync(folder)
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: compilerOptions(rowlock), include: ['.'] }))
  writeFileSync(join(folder, 'client.ts'), clientModule(extend))
  for (let index = 0; index < models; index++) writeFileSync(join(folder, `model-${index}.ts`), queries(index, locks))
}

const compilerOptions = (rowlock: string) => ({
  target: 'ES2022',
  lib: ['ES2023', 'ESNext.Disposable'],
  module: 'NodeNext',
  types: ['node'],
  strict: true,
  skipLibCheck: true,
  noEmit: true,
  paths: { rowlock: [rowlock] },
})

const clientModule = (extend: string) => `import { PrismaPg } from '@prisma/adapter-pg'
${extend.includes('rowLocks') ? "import { lockable, rowLocks } from 'rowlock'\n" : ''}import { PrismaClient } from '../generated/client.js'

const adapter = ${extend.includes('rowLocks') ? 'lockable(new PrismaPg({}))' : 'new PrismaPg({})'}
export const prisma = new PrismaClient({ adapter })${extend}
`

/** What an application does with a model: reads with relations, a page, a count, and a transaction that reads and writes. */
function queries(index: number, locks: boolean): string {
  const model = `model${index}`
  const relation = index === 0 ? 'model1s' : 'parent'
  const lock = locks ? ", lock: 'forNoKeyUpdate'" : ''
  const skipLocked = locks ? ", lock: { strength: 'forUpdate', skipLocked: true }" : ''
  const parentId = index === 0 ? '' : ', parentId: 1'
  return `import { prisma } from './client.js'

export async function show(id: number) {
  const row = await prisma.${model}.findUniqueOrThrow({ where: { id }, include: { ${relation}: true } })
  return { title: row.name.toUpperCase(), balance: row.balance.toFixed(2), related: row.${relation}, since: row.createdAt.getTime() }
}

export async function list(region: string, page: number) {
  const where = { region, status: { in: ['OPEN', 'HELD'] as ('OPEN' | 'HELD')[] }, balance: { gt: 0 } }
  const rows = await prisma.${model}.findMany({
    where,
    select: { id: true, name: true, tags: true, ${relation}: { select: { id: true, status: true } } },
    orderBy: [{ createdAt: 'desc' }, { id: 'asc' }],
    skip: page * 20,
    take: 20,
  })
  const total = await prisma.${model}.count({ where })
  return { total, rows: rows.map(({ id, name, tags }) => ({ id, label: \`\${name} \${tags.join()}\` })) }
}

export async function add(name: string) {
  const row = await prisma.${model}.create({ data: { name, region: 'north', tags: ['new']${parentId} } })
  return row.id
}

export function take(id: number, amount: number) {
  return prisma.${locks ? '$transactionWithRetry' : '$transaction'}(async (tx) => {
    const row = await tx.${model}.findUniqueOrThrow({ where: { id }${lock} })
    if (row.balance.lessThan(amount)) throw new Error('too little')
    const next = await tx.${model}.findFirst({ where: { status: 'HELD' }, orderBy: { id: 'asc' }${skipLocked} })
    if (next) await tx.${model}.update({ where: { id: next.id }, data: { status: 'CLOSED' } })
    const left = await tx.${model}.update({ where: { id: row.id }, data: { balance: { decrement: amount } }, select: { balance: true } })
    await tx.${model}.updateMany({ where: { region: row.region }, data: { status: 'OPEN' } })
    return left.balance.toNumber()
  })
}
`
}
