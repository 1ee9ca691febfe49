import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { expect, test } from 'vitest'

// What an editor shows to someone who writes a locked find: completions, documentation, and errors that
// can be read. `|` is the cursor.

const root = fileURLToPath(new URL('../..', import.meta.url))
const file = join(root, 'test/types/editor-buffer.ts')
const buffer = { version: 0, text: '' }
const service = createService()

const SLOW = 60_000

test('lock is offered with the other arguments of a find', { timeout: SLOW }, () => {
  for (const find of ['findUnique', 'findUniqueOrThrow', 'findFirst', 'findFirstOrThrow', 'findMany']) {
    expect(completions(`prisma.wallet.${find}({ | })`), find).toEqual(expect.arrayContaining(['lock', 'select', 'where']))
  }
  expect(completions('prisma.wallet.withLock({ | }, async () => 1)')).toEqual(expect.arrayContaining(['lock', 'select', 'where']))
})

test('the strengths and the wait policies are offered, and nothing else', { timeout: SLOW }, () => {
  const strengths = ['forKeyShare', 'forNoKeyUpdate', 'forShare', 'forUpdate']
  expect(completions("prisma.wallet.findMany({ lock: '|' })")).toEqual(strengths)
  expect(completions("prisma.wallet.findMany({ lock: { strength: '|' } })")).toEqual(strengths)
  expect(completions('prisma.wallet.findMany({ lock: { | } })')).toEqual(['nowait', 'skipLocked', 'strength', 'timeout'])
})

test("Prisma's own completions are still there beside a lock", { timeout: SLOW }, () => {
  expect(completions("prisma.wallet.findMany({ lock: 'forUpdate', where: { | } })")).toContain('balance')
  expect(completions("prisma.wallet.findMany({ lock: 'forUpdate', orderBy: { balance: '|' } })")).toEqual(['asc', 'desc'])
  expect(completions("prisma.wallet.findFirst({ lock: 'forUpdate', include: { | } })")).toContain('entries')
})

test('hovering shows what a lock does and when it is released', { timeout: SLOW }, () => {
  expect(documentation("prisma.wallet.findMany({ lo|ck: 'forUpdate' })")).toMatch(/^Locks the returned rows until the transaction ends/)
  expect(documentation('prisma.wallet.withL|ock({ where: { id: 1 } }, async () => 1)')).toMatch(/The lock is released when/)
  expect(documentation('prisma.$transactionWith|Retry(async () => 1)')).toMatch(/^Runs `fn` in a transaction whose lock waits are bounded/)
})

test('a mistake is answered with what is wrong with it', { timeout: SLOW }, () => {
  expect(errors("prisma.wallet.findMany({ distinct: ['id'], lock: 'forUpdate' })")).toMatch(
    /distinct cannot be combined with lock: PostgreSQL cannot lock the rows of a DISTINCT query/,
  )
  expect(errors("prisma.wallet.findMany({ lock: 'forUpdates' })")).toMatch(/'"forUpdates"' is not assignable to type 'LockOption/)
  expect(errors("prisma.wallet.findMany({ lockk: 'forUpdate' })")).toMatch(
    /^.{0,80}'lockk' does not exist .* Did you mean to write 'lock'\?/,
  )
  expect(errors("prisma.wallet.findMany({ lock: { strength: 'forUpdate', noWait: true } })")).toMatch(/Did you mean to write 'nowait'\?/)
  expect(errors("prisma.wallet.count({ lock: 'forUpdate' })")).toMatch(/'lock' does not exist/)
  expect(errors('prisma.wallet.findUnique({})')).toMatch(/Property 'where' is missing/)
  expect(errors("prisma.wallet.findMany({ lock: 'forUpdate' })")).toBe('')
})

function completions(code: string): string[] {
  const entries = service.getCompletionsAtPosition(file, write(code), {})?.entries ?? []
  return entries.map(({ name }) => name).sort()
}

function documentation(code: string): string {
  return ts.displayPartsToString(service.getQuickInfoAtPosition(file, write(code))?.documentation)
}

function errors(code: string): string {
  write(code)
  return service
    .getSemanticDiagnostics(file)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '))
    .join('\n')
}

/** Puts `code` into the buffer and returns where its cursor was. */
function write(code: string): number {
  const text = `import { prisma } from './clients.js'\n${code}`
  const cursor = text.indexOf('|')
  buffer.text = text.replace('|', '')
  buffer.version++
  return cursor
}

function createService(): ts.LanguageService {
  const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config, ts.sys, root)
  return ts.createLanguageService({
    getCompilationSettings: () => options,
    getCurrentDirectory: () => root,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    getScriptFileNames: () => [file],
    getScriptVersion: (path) => (path === file ? String(buffer.version) : '1'),
    getScriptSnapshot: (path) => {
      if (path === file) return ts.ScriptSnapshot.fromString(buffer.text)
      return ts.sys.fileExists(path) ? ts.ScriptSnapshot.fromString(readFileSync(path, 'utf8')) : undefined
    },
    fileExists: (path) => path === file || ts.sys.fileExists(path),
    readFile: ts.sys.readFile,
    readDirectory: ts.sys.readDirectory,
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
  })
}
