import { readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { findLocks, type FoundLock, type TypeScript } from './find-locks.js'

/** What the source of a project says about its locks. */
export interface SourceFacts {
  /** How many files were read. */
  readonly files: number
  readonly locks: readonly LockInFile[]
}

/** A lock, and where it is taken. */
export interface LockInFile extends FoundLock {
  /** The file and its line: `src/pay.ts:12`, relative to the folder that was searched. */
  readonly place: string
}

const SOURCE = /(?<!\.d)\.[cm]?[jt]sx?$/
// A test plants what should not be elsewhere.
const TEST = /\.(?:test|spec)(?:-d)?\.[cm]?[jt]sx?$/
const SKIPPED = new Set(['node_modules', 'dist', 'build', 'out', 'coverage', 'generated', 'test', 'tests', '__tests__'])
/** Most files have none of these words and need not be parsed. */
const MAY_LOCK = /\block\s*[:,}]|\bwithLock\b|\blockInOrder\b|\bFOR\s+UPDATE\b/i

/** Reads every source file under `folder`, tests and what others have made left out. */
export async function readSourceFacts(folder: string, typescript: TypeScript): Promise<SourceFacts> {
  const locks: LockInFile[] = []
  let files = 0
  for await (const path of sourceFiles(folder)) {
    files++
    const text = await readFile(path, 'utf8')
    if (!MAY_LOCK.test(text)) continue
    const found = findLocks(typescript, path, text)
    locks.push(...found.map((lock) => ({ ...lock, place: `${relative(folder, path)}:${lock.line}` })))
  }
  return { files, locks }
}

async function* sourceFiles(folder: string): AsyncGenerator<string> {
  const entries = await readdir(folder, { withFileTypes: true })
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name)
    // A link may lead round, or out of the project.
    if (entry.isDirectory() && !SKIPPED.has(entry.name) && !entry.name.startsWith('.')) yield* sourceFiles(path)
    else if (entry.isFile() && SOURCE.test(entry.name) && !TEST.test(entry.name)) yield path
  }
}

/** The project's own TypeScript, or the one next to rowlock; undefined where none has the compiler's API. */
export async function loadTypeScript(folder: string): Promise<TypeScript | undefined> {
  for (const place of [pathToFileURL(join(folder, 'package.json')), new URL(import.meta.url)]) {
    try {
      const module = (await import(pathToFileURL(createRequire(place).resolve('typescript')).href)) as { default?: TypeScript } & TypeScript
      const typescript = module.default ?? module
      if (typeof typescript.createSourceFile === 'function') return typescript
    } catch {
      // Not installed there; the next place may have it.
    }
  }
  return undefined
}
