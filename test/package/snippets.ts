import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A piece of TypeScript that a reader may copy. */
export interface Snippet {
  readonly file: string
  /** Of the snippet's first line, from 1. */
  readonly line: number
  readonly code: string
  /** What stands behind the language: `no-run` for a snippet that is compiled and not run. */
  readonly info: string
  /** Imports of earlier snippets of the same text. */
  readonly inherited?: readonly string[]
}

/** The ```ts blocks of a Markdown text; what one imports is there for all that follow, as for a reader. */
export function markdownSnippets(file: string, text: string): Snippet[] {
  const known = new Map<string, string>()
  return fencedBlocks(file, text, 1).map((snippet) => {
    const own = importedNames(snippet.code)
    const inherited = [...known].filter(([name]) => !own.has(name)).map(([, line]) => line)
    for (const [name, line] of own) known.set(name, line)
    return { ...snippet, inherited }
  })
}

/** The names that a snippet imports, each with an import of it alone. */
function importedNames(code: string): Map<string, string> {
  const names = new Map<string, string>()
  for (const statement of ts.createSourceFile('snippet.ts', code, ts.ScriptTarget.Latest, true).statements) {
    if (!ts.isImportDeclaration(statement)) continue
    const bindings = statement.importClause?.namedBindings
    if (bindings === undefined || !ts.isNamedImports(bindings)) continue
    for (const element of bindings.elements) {
      names.set(element.name.text, `import { ${element.getText()} } from ${statement.moduleSpecifier.getText()};`)
    }
  }
  return names
}

/** The `@example`s of a source text: ```ts blocks, and values that stand in the tag's own line. */
export function docstringSnippets(file: string, text: string): Snippet[] {
  return [...text.matchAll(/^[ \t]*\/\*\*[\s\S]*?\*\//gm)].flatMap(({ 0: comment, index }) => {
    const line = text.slice(0, index).split('\n').length
    const content = comment.replace(/^[ \t]*(\/\*\*| \*\/| \* ?)/gm, '').replace(/\*\/\s*$/, '')
    return [...fencedBlocks(file, content, line), ...exampleValues(file, content, line)]
  })
}

function fencedBlocks(file: string, text: string, firstLine: number): Snippet[] {
  return [...text.matchAll(/^([ \t]*)```(?:ts|typescript)\b([^\n]*)\n([\s\S]*?)^\1```/gm)].map(
    ({ 0: block, 2: info = '', 3: code = '', index }) => ({
      file,
      line: firstLine + text.slice(0, index + block.indexOf('\n')).split('\n').length,
      code,
      info: info.trim(),
    }),
  )
}

function exampleValues(file: string, text: string, firstLine: number): Snippet[] {
  return [...text.matchAll(/@example[ \t]+(\S.*)$/gm)].map(({ 1: value = '', index }) => ({
    file,
    line: firstLine + text.slice(0, index).split('\n').length - 1,
    code: `void (${value})`,
    info: '',
  }))
}

// Generated: its examples are those of the docstrings, which `readDocstrings` finds in the source.
const REFERENCE = 'docs/reference/'

export function readMarkdown(): Snippet[] {
  const docs = ['docs', 'examples'].flatMap((folder) => (existsSync(join(root, folder)) ? listFiles(folder) : []))
  const files = [...listFiles('.', { recursive: false }), ...docs].filter((file) => file.endsWith('.md') && !file.startsWith(REFERENCE))
  return files.flatMap((file) => markdownSnippets(file, readText(file)))
}

export function readDocstrings(): Snippet[] {
  const files = listFiles('src').filter((file) => file.endsWith('.ts') && !file.includes('generated/'))
  return files.flatMap((file) => docstringSnippets(file, readText(file)))
}

function listFiles(folder: string, { recursive = true } = {}): string[] {
  const found = readdirSync(join(root, folder), { recursive, encoding: 'utf8' })
  return found.map((file) => join(folder, file).replaceAll(sep, '/')).sort()
}

const readText = (file: string): string => readFileSync(join(root, file), 'utf8')

/**
 * Compiles snippets as modules of their own against the package's source.
 *
 * @param withExports Whether they may use what the package exports without importing it, as a docstring
 *   does; a README has to show its imports.
 * @returns the errors, each with the file and line that the reader sees.
 */
export function compileSnippets(snippets: readonly Snippet[], { withExports }: { withExports: boolean }): string[] {
  const sources = new Map(snippets.map((snippet, index) => [join(root, `snippet-${index}.ts`), snippet]))
  // The lines above it are left blank, so that the compiler's line is the reader's.
  const textOf = ({ line, code, inherited = [] }: Snippet) => `${inherited.join(' ')}${'\n'.repeat(line - 1)}${code}\nexport {}`
  const texts = new Map([...sources].map(([path, snippet]) => [path, textOf(snippet)]))
  const globals = [join(root, 'test/package/snippet-globals.ts')]
  if (withExports) {
    const path = join(root, 'snippet-exports.ts')
    texts.set(path, exportsAsGlobals())
    globals.push(path)
  }
  const program = ts.createProgram([...globals, ...sources.keys()], compilerOptions(), hostWith(texts))
  return [...globals, ...sources.keys()]
    .flatMap((path) => {
      const file = program.getSourceFile(path)!
      return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]
    })
    .map((diagnostic) => describe(diagnostic, sources))
}

function compilerOptions(): ts.CompilerOptions {
  const config = ts.getParsedCommandLineOfConfigFile(
    join(root, 'tsconfig.json'),
    { noEmit: true, noUnusedLocals: false, noUnusedParameters: false, allowUnusedLabels: true },
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: raise },
  )
  return config!.options
}

function raise(diagnostic: ts.Diagnostic): never {
  throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n'))
}

function hostWith(texts: ReadonlyMap<string, string>): ts.CompilerHost {
  const options = compilerOptions()
  const host = ts.createCompilerHost(options)
  const { getSourceFile, fileExists, readFile } = host
  return {
    ...host,
    fileExists: (path) => texts.has(path) || fileExists(path),
    readFile: (path) => texts.get(path) ?? readFile(path),
    getSourceFile: (path, ...rest) => {
      const text = texts.get(path)
      return text === undefined ? getSourceFile(path, ...rest) : ts.createSourceFile(path, text, rest[0])
    },
    resolveModuleNameLiterals: (literals, from, redirected, _options, file) =>
      literals.map((literal) => {
        const mode = ts.getModeForUsageLocation(file, literal, options)
        const name = texts.has(from) ? pathOfGeneratedClient(literal.text) : literal.text
        return ts.resolveModuleName(name, from, options, host, undefined, redirected, mode)
      }),
  }
}

/** Where a user's client is generated is the user's choice: any such path is ours. */
function pathOfGeneratedClient(name: string): string {
  return /^\.{1,2}\/.*\bgenerated\/(prisma\/)?client\.js$/.test(name) ? './src/generated/prisma/client.js' : name
}

function exportsAsGlobals(): string {
  const entries = listFiles('src', { recursive: false }).filter((file) => file.endsWith('.ts'))
  // By name: some errors are exported by more than one entry.
  const declarations = new Map<string, string>()
  for (const entry of entries) {
    const source = ts.createSourceFile(entry, readText(entry), ts.ScriptTarget.Latest)
    for (const name of exportedValues(source))
      declarations.set(name, `const ${name}: typeof import('./${entry.replace(/ts$/, 'js')}').${name}`)
  }
  return `declare global {\n${[...declarations.values()].join('\n')}\n}\nexport {}`
}

function exportedValues(source: ts.SourceFile): string[] {
  return source.statements.filter(ts.isExportDeclaration).flatMap(({ isTypeOnly, exportClause }) => {
    if (isTypeOnly || exportClause === undefined || !ts.isNamedExports(exportClause)) return []
    return exportClause.elements.filter((element) => !element.isTypeOnly).map((element) => element.name.text)
  })
}

function describe({ file, start = 0, messageText }: ts.Diagnostic, sources: ReadonlyMap<string, Snippet>): string {
  const message = ts.flattenDiagnosticMessageText(messageText, ' ').slice(0, 400)
  if (file === undefined) return message
  const line = file.getLineAndCharacterOfPosition(start).line + 1
  return `${sources.get(file.fileName)?.file ?? relative(root, file.fileName)}:${line}: ${message}`
}
