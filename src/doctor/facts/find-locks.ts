import type { CallExpression, Expression, Node, ObjectLiteralExpression } from 'typescript'
import type { LockStrength } from '../../core/lock-option.js'

/** The part of the compiler's API that is used: it parses, and checks no types. */
export type TypeScript = typeof import('typescript')

/** One place in a source file that locks rows. */
export interface FoundLock {
  readonly line: number
  /** The model's name on the client, `wallet`; or, in SQL, the table's as it is written there. */
  readonly of: { readonly model: string } | { readonly table: string }
  /** Undefined where only the running program knows. */
  readonly strength: LockStrength | undefined
  /** What rows are looked for by; undefined where only the running program knows. */
  readonly where: readonly WhereKey[] | undefined
  /** Whether the function that locks also deletes rows of the same model. */
  readonly deletes: boolean
}

/** A key of a `where`, with the keys of the object under it: of a compound key, or of a filter. */
export interface WhereKey {
  readonly name: string
  readonly inner: readonly string[]
}

const FINDS = new Set(['findUnique', 'findUniqueOrThrow', 'findFirst', 'findFirstOrThrow', 'findMany'])
const DELETES = new Set(['delete', 'deleteMany'])
const STRENGTHS: readonly string[] = ['forUpdate', 'forNoKeyUpdate', 'forShare', 'forKeyShare'] satisfies LockStrength[]
const SQL_LOCK = /\bFROM\s+([\w".]+)[^]*\bFOR\s+UPDATE\b/i
/** Of the helpers of rowlock that lock. */
const DEFAULT_STRENGTH: LockStrength = 'forNoKeyUpdate'

/** Finds where a file locks rows: by `lock`, `withLock` and `lockInOrder`, and by FOR UPDATE in SQL. */
export function findLocks(ts: TypeScript, file: string, text: string): FoundLock[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const locks: FoundLock[] = []
  const visit = (node: Node): void => {
    const found = ts.isCallExpression(node) ? locksOfCall(node) : locksOfText(node)
    const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1
    locks.push(...found.map((lock) => ({ ...lock, line, deletes: deletes(node, lock) })))
    ts.forEachChild(node, visit)
  }

  type Lock = Omit<FoundLock, 'line' | 'deletes'>

  function locksOfCall(call: CallExpression): Lock[] {
    const [first, second, third] = call.arguments
    if (isNamed(call.expression, 'lockInOrder')) return locksInOrder(second, third)
    const { model, method } = methodOfModel(call) ?? {}
    if (model === undefined || method === undefined || !isObject(first)) return []
    const lock = valueOf(first, 'lock')
    if (FINDS.has(method) && lock !== undefined) return [{ of: { model }, strength: strengthOf(lock), where: whereOf(first) }]
    if (method !== 'withLock' || !hasKey(first, 'where')) return []
    const given = lock ?? (isObject(third) ? valueOf(third, 'lock') : undefined)
    return [{ of: { model }, strength: given ? strengthOf(given) : DEFAULT_STRENGTH, where: whereOf(first) }]
  }

  function locksInOrder(rows: Expression | undefined, lock: Expression | undefined): Lock[] {
    if (rows === undefined || !ts.isArrayLiteralExpression(rows)) return []
    const strength = lock === undefined ? DEFAULT_STRENGTH : strengthOf(lock)
    return rows.elements.filter(isObject).flatMap((row) => {
      const model = valueOf(row, 'model')
      return model && ts.isStringLiteralLike(model) ? [{ of: { model: model.text }, strength, where: whereOf(row) }] : []
    })
  }

  /** SQL is looked at as a whole: a template with its values left out. */
  function locksOfText(node: Node): Lock[] {
    const sql = ts.isTemplateExpression(node)
      ? [node.head.text, ...node.templateSpans.map((span) => span.literal.text)].join(' ? ')
      : ts.isStringLiteralLike(node)
        ? node.text
        : ''
    const [, table] = SQL_LOCK.exec(sql) ?? []
    return table === undefined
      ? []
      : [{ of: { table: table.split('.').at(-1)!.replaceAll('"', '') }, strength: 'forUpdate', where: undefined }]
  }

  function methodOfModel(call: CallExpression): { model: string; method: string } | undefined {
    const { expression } = call
    if (!ts.isPropertyAccessExpression(expression) || !ts.isPropertyAccessExpression(expression.expression)) return undefined
    return { model: expression.expression.name.text, method: expression.name.text }
  }

  function strengthOf(lock: Expression): LockStrength | undefined {
    if (isObject(lock)) {
      const strength = valueOf(lock, 'strength')
      return strength && strengthOf(strength)
    }
    const text = ts.isStringLiteralLike(lock)
      ? lock.text
      : ts.isAsExpression(lock) && ts.isStringLiteralLike(lock.expression)
        ? lock.expression.text
        : ''
    return STRENGTHS.includes(text) ? (text as LockStrength) : undefined
  }

  function whereOf(args: ObjectLiteralExpression): WhereKey[] | undefined {
    const where = valueOf(args, 'where')
    return isObject(where) ? keysOf(where) : undefined
  }

  function keysOf(where: ObjectLiteralExpression): WhereKey[] | undefined {
    const keys: WhereKey[] = []
    for (const property of where.properties) {
      if (property.name === undefined || ts.isComputedPropertyName(property.name)) return undefined
      const name = property.name.getText(source).replaceAll(/['"]/g, '')
      const value = ts.isPropertyAssignment(property) ? property.initializer : undefined
      const inner = isObject(value) ? keysOf(value) : []
      if (name === 'AND' && isObject(value)) keys.push(...(inner ?? []))
      else keys.push({ name, inner: inner?.map((key) => key.name) ?? [] })
    }
    return keys
  }

  /** The value of a key; a lock that is passed on, as in `{ lock }`, is its own name. */
  function valueOf(object: ObjectLiteralExpression, key: string): Expression | undefined {
    const property = object.properties.find(
      (one) => one.name !== undefined && !ts.isComputedPropertyName(one.name) && one.name.getText(source) === key,
    )
    if (property === undefined) return undefined
    if (ts.isShorthandPropertyAssignment(property)) return property.name
    return ts.isPropertyAssignment(property) ? property.initializer : undefined
  }

  const hasKey = (object: ObjectLiteralExpression, key: string) => valueOf(object, key) !== undefined

  function isObject(node: Node | undefined): node is ObjectLiteralExpression {
    return node !== undefined && ts.isObjectLiteralExpression(node)
  }

  const isNamed = (node: Node, name: string) => ts.isIdentifier(node) && node.text === name

  /** Who deletes the row, or gives it another key, needs FOR UPDATE. */
  function deletes(node: Node, lock: Lock): boolean {
    if (!('model' in lock.of)) return false
    const { model: locked } = lock.of
    let around: Node | undefined = node.parent
    while (around !== undefined && !ts.isFunctionLike(around)) around = around.parent
    let found = false
    const look = (one: Node): void => {
      if (ts.isCallExpression(one)) {
        const { model, method } = methodOfModel(one) ?? {}
        if (model === locked && method !== undefined && DELETES.has(method)) found = true
      }
      if (!found) ts.forEachChild(one, look)
    }
    if (around) look(around)
    return found
  }

  visit(source)
  return locks
}
