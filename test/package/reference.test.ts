import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { ReflectionKind } from 'typedoc'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { descriptionOf, docstringOf, documentedCalls, makeReference, missingParts, readPages, type Reference, textOf } from './reference.js'
import { manifest, temporaryFolder } from './tarball.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
// Most of the time goes into Prisma's types, once.
const SLOW = 120_000

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let reference: Reference

beforeAll(async () => {
  folder = await temporaryFolder()
  reference = await makeReference(join(folder.path, 'reference'))
}, SLOW)
afterAll(() => folder[Symbol.asyncDispose]())

/** `rowlock/testing`, and the file in `src/` that is it. */
const entries = Object.keys(manifest.exports)
  .filter((path) => path !== './package.json')
  .map((path) => [`${manifest.name}${path.slice(1)}`, `src/${path === '.' ? 'index' : path.slice(2)}.ts`] as const)

/** All names, of values and of types: an entry re-exports by name and does nothing else. */
async function exportedNames(file: string): Promise<string[]> {
  const source = ts.createSourceFile(file, await readFile(join(root, file), 'utf8'), ts.ScriptTarget.Latest)
  return source.statements.flatMap((statement) => {
    if (!ts.isExportDeclaration(statement) || !statement.exportClause || !ts.isNamedExports(statement.exportClause)) return []
    return statement.exportClause.elements.map(({ name }) => name.text)
  })
}

describe('docs/reference', () => {
  test('is what the docstrings say now; else run npm run docs:reference', async () => {
    expect(await readPages(join(root, 'docs/reference'))).toEqual(reference.pages)
  })

  test('is made without complaint: nothing undescribed, no type that is used and missing, no broken {@link}', () => {
    expect(reference.complaints).toEqual([])
  })

  test.each(entries)('describes every export of %s', async (entry, file) => {
    const names = await exportedNames(file)
    expect(names.length).toBeGreaterThan(20)
    const page = reference.pages.get(`${entry}.md`)!
    expect(names.filter((name) => !descriptionOf(page, name))).toEqual([])
  })

  test('has no link that leads nowhere', () => {
    const anchors = new Map(
      [...reference.pages].map(([path, text]) => [path, new Set([...text.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id))]),
    )
    const links = [...reference.pages].flatMap(([path, text]) =>
      [...text.matchAll(/\]\((?!https?:)([^)#]*)#?([^)]*)\)/g)].map(([, file = '', anchor = '']) => ({
        page: file === '' ? path : posix.join(dirname(path), file),
        anchor,
      })),
    )
    expect(links.length).toBeGreaterThan(500)
    expect(links.filter(({ page, anchor }) => !anchors.has(page) || (anchor !== '' && !anchors.get(page)!.has(anchor)))).toEqual([])
  })

  test('depends on no machine', () => {
    for (const text of reference.pages.values()) expect(text).not.toContain(root)
  })
})

// They throw nothing of their own.
const NEVER_THROW = new Set(['isRowLockError', 'memoryLocker', 'defineRaceActor', 'defineExploration'])

describe('a docstring', () => {
  test('of a function says what it guarantees, what it throws, and how it is called', () => {
    const calls = documentedCalls(reference.project, [
      'LockableModel.withLock',
      'LockableClient.$transactionWithRetry',
      'LockableClient.$advisoryLock',
    ])
    for (const name of ['lockable', 'withLock', '$transactionWithRetry', 'leaseLocker', 'explore', 'withdraw'])
      expect([...calls.keys()]).toContain(name)
    const lacking = [...calls].flatMap(([name, comment]) => {
      const parts = missingParts(comment).filter((part) => !(part === '@throws' && NEVER_THROW.has(name)))
      return parts.length === 0 ? [] : [`${name} lacks ${parts.join(', ')}`]
    })
    expect(lacking).toEqual([])
  })

  test('names every error where it is thrown', () => {
    const all = Object.values(reference.project.reflections).flatMap(({ comment }) => comment ?? [])
    const named = all
      .flatMap((comment) => [...comment.getTags('@throws'), ...comment.getTags('@returns')])
      .flatMap(({ content }) => content.map(({ text }) => text))
      .join(' ')
    const errors = reference.project
      .getReflectionsByKind(ReflectionKind.Class)
      .filter((error) => !error.flags.isAbstract)
      .map(({ name }) => name)
    expect(errors.length).toBeGreaterThan(35)
    expect(errors.filter((name) => !new RegExp(`\\b${name}\\b`).test(named))).toEqual([])
  })

  test('of an option that may be left out says what happens then', () => {
    const options = reference.project.getReflectionsByKind(ReflectionKind.Interface).filter(({ name }) => name.endsWith('Options'))
    expect(options.length).toBeGreaterThan(15)
    const optional = options
      .filter((type) => type.isDeclaration())
      .flatMap(({ children = [] }) => children.filter(({ flags }) => flags.isOptional))
    expect(optional.length).toBeGreaterThan(60)
    const lacking = optional.filter((member) => !/\bdefault/i.test(textOf(docstringOf(member))))
    expect(lacking.map((member) => member.getFullName())).toEqual([])
  })
})

test(
  'a symbol without its docstring, and an example that is missing, are noticed',
  async () => {
    await using planted = await temporaryFolder()
    const entry = join(planted.path, 'planted.ts')
    await writeFile(
      entry,
      [
        'export interface Silent { a: number }',
        '/** Adds, as {@link nobody} does. */',
        'export function add(a: number): number { return a }',
      ].join('\n'),
    )
    const { project, pages, complaints } = await makeReference(join(planted.path, 'out'), entry)
    expect(complaints.join('\n')).toMatch(/Silent[^]*nobody/)
    const page = [...pages.values()].join('\n')
    expect(descriptionOf(page, 'add')).toMatch(/^Adds/)
    expect(descriptionOf(page, 'Silent')).toBe('')
    expect(descriptionOf(page, 'subtract')).toBeUndefined()
    expect(missingParts(documentedCalls(project).get('add'))).toEqual(['@throws', '@example'])
  },
  SLOW,
)
