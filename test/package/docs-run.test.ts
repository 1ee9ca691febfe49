import { beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { createClient, type TestClient } from '../support/client.js'
import { useDatabase } from '../support/database.js'
import { runSnippet } from './run-snippet.js'
import { openWorld, seedSnippets } from './snippet-world.js'
import { markdownSnippets, readMarkdown, type Snippet } from './snippets.js'

/** Behind ```ts: a snippet that cannot be run here. */
const COMPILED_ONLY = 'no-run'
// Some explore, with a server of their own.
const SLOW = 120_000

const database = useDatabase()
let prisma: TestClient

beforeAll(() => {
  ;({ prisma } = createClient(database))
})
beforeEach(() => seedSnippets(database.sql))

async function run(snippet: Snippet): Promise<void> {
  await using world = openWorld(database, prisma)
  await runSnippet(snippet, world)
  await world.runTests()
}

const snippets = readMarkdown()

describe('a snippet of the documentation does what it says', () => {
  const runnable = snippets.filter(({ info }) => info !== COMPILED_ONLY)
  test.each(runnable.map((snippet) => [`${snippet.file}:${snippet.line}`, snippet] as const))('%s', { timeout: SLOW }, (_place, snippet) =>
    run(snippet),
  )
})

test('only what needs another server is compiled and not run', () => {
  const left = snippets.filter(({ info }) => info === COMPILED_ONLY).map(({ file }) => file)
  expect(new Set(left)).toEqual(new Set(['docs/redis.md']))
  expect(snippets.filter(({ info }) => info !== '' && info !== COMPILED_ONLY)).toEqual([])
})

test('every snippet of the guide says what to expect of it', () => {
  const guide = snippets.filter(({ file }) => file.startsWith('docs/guide/'))
  expect(guide.length).toBeGreaterThan(20)
  const silent = guide.filter(({ code }) => !/\/\/ =>|\bexpect\w*\(/.test(code))
  expect(silent.map(({ file, line }) => `${file}:${line}`)).toEqual([])
})

describe('the runner', () => {
  const snippet = (...lines: string[]) => markdownSnippets('planted.md', ['Text', '```ts', ...lines, '```'].join('\n'))[0]!

  test('runs what a snippet exports', async () => {
    await run(snippet('export const seven = 3 + 4 // => 7'))
    await expect(run(snippet('export const seven = 3 + 4 // => 8'))).rejects.toThrow('planted.md:3: 7 instead of 8')
  })

  test('holds a snippet to the values behind its expressions and constants', async () => {
    await run(
      snippet(
        "import { withdraw } from 'rowlock/repositories'",
        "import type { LockOption } from 'rowlock'",
        "const lock: LockOption = 'forUpdate' // => 'forUpdate'",
        'await withdraw(prisma, { userId: 1, amount: 30 })',
        'await prisma.$transaction(async (tx) => {',
        '  const { balance } = await tx.wallet.findUniqueOrThrow({ where: { userId: 1 }, lock })',
        '  balance // => 70',
        '})',
        'await withdraw(prisma, { userId: 1, amount: 71 }) // => throws InsufficientBalanceError',
      ),
    )
  })

  test('reports a wrong value with its file and line', async () => {
    const planted = snippet('const three = 1 + 2', '', 'three // => 4', 'three // => 3')
    await expect(run(planted)).rejects.toThrow(/^planted\.md:5: 3 instead of 4$/)
  })

  test('reports an error that is not thrown, or is another one', async () => {
    const planted = snippet(
      'await Promise.resolve() // => throws RangeError',
      "await Promise.reject(new TypeError('no')) // => throws RangeError",
    )
    await expect(run(planted)).rejects.toThrow(
      'planted.md:3: threw nothing instead of RangeError\nplanted.md:4: threw TypeError instead of RangeError',
    )
  })

  test('reports an expectation that is never reached', async () => {
    await expect(run(snippet('if (Date.now() < 0) {', '  Date.now() // => 0', '}'))).rejects.toThrow('planted.md:4: was never reached')
  })

  test('reports a snippet that throws, and runs none whose expectation has no value', async () => {
    await expect(run(snippet("throw new RangeError('broken')"))).rejects.toThrow(/planted\.md:3: RangeError: broken/)
    await expect(run(snippet('// => 3'))).rejects.toThrow(SyntaxError)
  })

  test('starts each snippet from the same rows', async () => {
    const same = snippet('(await prisma.wallet.update({ where: { userId: 1 }, data: { balance: { decrement: 1 } } })).balance // => 99')
    await run(same)
    await seedSnippets(database.sql)
    await run(same)
  })

  test('runs what a snippet registers as tests', async () => {
    const planted = snippet("import { expect, test } from 'vitest'", "test('fails', () => expect(1).toBe(2))")
    await expect(run(planted)).rejects.toThrow(/expected 1 to be 2/)
  })
})
