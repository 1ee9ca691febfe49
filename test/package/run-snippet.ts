import { inspect, isDeepStrictEqual } from 'node:util'
import { runInThisContext } from 'node:vm'
import ts from 'typescript'

import { CHECK, CHECK_THROWS, instrument } from './snippet-expectations.js'
import type { Snippet } from './snippets.js'

/** What a snippet finds around it. */
export interface SnippetWorld {
  /** The names that it may use without importing them; those of `snippet-globals.ts`. */
  readonly globals: Readonly<Record<string, unknown>>
  /** What it imports. */
  readonly load: (module: string) => unknown
}

/**
 * Runs a snippet as a module of its own, and holds it to what it says: every `// =>` in it must be reached and true.
 *
 * @throws {Error} that names each expectation that does not hold, with the file and line that the reader sees.
 */
export async function runSnippet(snippet: Snippet, { globals, load }: SnippetWorld): Promise<void> {
  const { code, expectations } = instrument([...(snippet.inherited ?? []), snippet.code].join(' '))
  const reached = new Set<number>()
  const wrong: string[] = []
  const at = (line: number) => `${snippet.file}:${snippet.line + line - 1}`
  const settle = (line: number, holds: boolean, what: string) => {
    reached.add(line)
    if (!holds) wrong.push(`${at(line)}: ${what}`)
  }
  const world: Record<string, unknown> = {
    ...globals,
    load,
    [CHECK]: (line: number, actual: unknown, expected: unknown) => {
      const shown = plain(actual)
      settle(line, isDeepStrictEqual(shown, expected), `${inspect(shown)} instead of ${inspect(expected)}`)
    },
    [CHECK_THROWS]: async (line: number, work: () => Promise<unknown>, expected: string) => {
      const thrown = await work().then(
        () => 'nothing',
        (error: unknown) => (error as Error).name,
      )
      settle(line, thrown === expected, `threw ${thrown} instead of ${expected}`)
    },
  }
  try {
    await compile(code, Object.keys(world))(...Object.values(world))
  } catch (cause) {
    wrong.push(`${at(1)}: ${inspect(cause)}`)
  }
  for (const line of expectations) if (!reached.has(line)) wrong.push(`${at(line)}: was never reached`)
  if (wrong.length > 0) throw new Error(wrong.join('\n'))
}

/** As the reader thinks of it: a Decimal is the number that it stands for, and an object is its fields. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  if ('toDecimalPlaces' in value) return Number(value)
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, plain(field)]))
}

/** What a snippet exports is for the module that imports it; here it only has to be made. */
const EXPORT = /^export (?=const |function |async function |class )/gm

type Run = (...world: unknown[]) => Promise<void>

function compile(code: string, names: readonly string[]): Run {
  // The inner block lets a snippet declare a name that it could also have used.
  const source = `const snippet = async (${names.join(', ')}) => { {\n${code.replace(EXPORT, '')}\n} }`
  const { outputText } = ts.transpileModule(source, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext } })
  return runInThisContext(`(() => {\n${outputText}\nreturn snippet\n})()`) as Run
}
