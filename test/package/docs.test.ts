import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

import { compileSnippets, docstringSnippets, markdownSnippets, readDocstrings, readMarkdown } from './snippets.js'

// One program a kind: most of the time goes into Prisma's types, once each.
const SLOW = 120_000

test('every ts block of the Markdown files compiles as it stands there', { timeout: SLOW }, () => {
  const snippets = readMarkdown()
  expect(snippets.map(({ file }) => file)).toContain('README.md')
  expect(compileSnippets(snippets, { withExports: false })).toEqual([])
})

test('no line of the Markdown files is a word that stands for what is still to be written', async () => {
  const files = [...new Set(readMarkdown().map(({ file }) => file))]
  const lines = await Promise.all(files.map(async (file) => (await readFile(file, 'utf8')).split('\n').map((line) => `${file}: ${line}`)))
  expect(lines.flat().filter((line) => /: (?:[A-Z]{3,}|.*\bTODO\b.*)$/.test(line))).toEqual([])
})

test('every example of a docstring compiles', { timeout: SLOW }, () => {
  const snippets = readDocstrings()
  expect(new Set(snippets.map(({ file }) => file)).size).toBeGreaterThan(5)
  expect(compileSnippets(snippets, { withExports: true })).toEqual([])
})

test('a wrong block is reported with its file and line', { timeout: SLOW }, () => {
  const markdown = [
    'Text',
    '```ts',
    "import { lockable } from 'rowlock'",
    "await tx.wallet.findMany({ lock: 'forUpdate' })",
    "await tx.wallet.findMany({ lock: 'forUpdates' })",
    '```',
    '```ts',
    'rowLocks()',
    '```',
    '```ts',
    "import { PrismaClient } from './generated/prisma/client.js'",
    'const client: PrismaClient = 1',
    '```',
    '```ts',
    'lockable(1 as never)',
    '```',
    '```sh',
    'not typescript',
    '```',
  ].join('\n')
  expect(compileSnippets(markdownSnippets('planted.md', markdown), { withExports: false })).toEqual([
    expect.stringMatching(/^planted\.md:5: .*forUpdates/),
    expect.stringMatching(/^planted\.md:8: .*rowLocks/),
    expect.stringMatching(/^planted\.md:12: .*PrismaClient/),
  ])
})

test('a wrong example in a docstring is reported with its file and line', { timeout: SLOW }, () => {
  const source = [
    'export const a = 1',
    '/**',
    ' * What it is.',
    ' *',
    ' * @example',
    ' * ```ts',
    ' * rowLocks()',
    ' * noSuchThing()',
    ' * ```',
    ' */',
    '/** One line. @example noSuchValue */',
    "/** Another. @example { deadlock_timeout: '10ms' } */",
  ].join('\n')
  expect(compileSnippets(docstringSnippets('planted.ts', source), { withExports: true })).toEqual([
    expect.stringMatching(/^planted\.ts:8: .*noSuchThing/),
    expect.stringMatching(/^planted\.ts:11: .*noSuchValue/),
  ])
})
