import ts from 'typescript'

/** The functions that {@link instrument} calls. */
export const CHECK = '__check'
export const CHECK_THROWS = '__checkThrows'

interface Insertion {
  readonly at: number
  readonly text: string
}

/** A snippet as it is run, and the lines, from 1, at which it says what to expect. */
export interface InstrumentedSnippet {
  readonly code: string
  readonly expectations: readonly number[]
}

/**
 * Turns what a snippet says about itself into checks: `value // => 3` behind an expression or a `const`, and
 * `await work() // => throws LockTimeoutError`. Imports become calls of `load(module)`.
 *
 * @throws {SyntaxError} for a `// =>` that stands behind anything else, and would never be checked.
 */
export function instrument(code: string): InstrumentedSnippet {
  const source = ts.createSourceFile('snippet.ts', code, ts.ScriptTarget.Latest, true)
  const insertions: Insertion[] = []
  const expectations: number[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) insertions.push(...importAsCall(node))
    const expected = expectationBehind(node, code)
    if (expected !== undefined) {
      const line = source.getLineAndCharacterOfPosition(node.end).line + 1
      expectations.push(line)
      insertions.push(...check(node, expected, line))
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  const written = code.split('\n').flatMap((text, index) => (/\/\/ =>/.test(text) ? [index + 1] : []))
  const ignored = written.filter((line) => !expectations.includes(line))
  if (ignored.length > 0) throw new SyntaxError(`line ${ignored.join(', ')}: nothing in front of // => that has a value`)
  return { code: insertAll(code, insertions), expectations }
}

function expectationBehind(node: ts.Node, code: string): string | undefined {
  if (!ts.isExpressionStatement(node) && !ts.isVariableStatement(node)) return undefined
  const [comment] = ts.getTrailingCommentRanges(code, node.end) ?? []
  if (comment === undefined) return undefined
  return /^\/\/ => (.*)$/.exec(code.slice(comment.pos, comment.end))?.[1]
}

function check(node: ts.Node, expected: string, line: number): Insertion[] {
  if (ts.isVariableStatement(node)) {
    const name = node.declarationList.declarations[0]!.name.getText()
    return [{ at: node.end, text: `; ${CHECK}(${line}, ${name}, (${expected}));` }]
  }
  const { expression } = node as ts.ExpressionStatement
  const error = /^throws (\w+)$/.exec(expected)?.[1]
  const [before, after] =
    error === undefined ? [`${CHECK}(${line}, (`, `), (${expected}))`] : [`await ${CHECK_THROWS}(${line}, async () => (`, `), '${error}')`]
  return [
    { at: expression.getStart(), text: before },
    { at: expression.end, text: after },
  ]
}

function importAsCall(node: ts.ImportDeclaration): Insertion[] {
  const { name: defaultName, namedBindings: bindings } = node.importClause ?? {}
  const names = bindings && ts.isNamedImports(bindings) ? bindings.elements.filter(({ isTypeOnly }) => !isTypeOnly) : []
  const fields = names.map(({ name, propertyName }) => (propertyName ? `${propertyName.text}: ${name.text}` : name.text))
  if (defaultName !== undefined) fields.push(`default: ${defaultName.text}`)
  const call = `const { ${fields.join(', ')} } = await load(${node.moduleSpecifier.getText()});`
  return [
    { at: node.getStart(), text: node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword ? '/*' : `${call} /*` },
    { at: node.end, text: '*/' },
  ]
}

function insertAll(code: string, insertions: readonly Insertion[]): string {
  // From the back, so that earlier places stay where they are; of one place the last one first.
  const ordered = insertions.map((insertion, order) => ({ ...insertion, order })).sort((a, b) => b.at - a.at || b.order - a.order)
  return ordered.reduce((text, insertion) => text.slice(0, insertion.at) + insertion.text + text.slice(insertion.at), code)
}
