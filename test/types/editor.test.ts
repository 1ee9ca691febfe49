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

test('hovering over lock shows what it does, what it takes, its default and where to read on', { timeout: SLOW }, () => {
  for (const find of ['findUnique', 'findUniqueOrThrow', 'findFirst', 'findFirstOrThrow', 'findMany']) {
    const { signature, text, tags } = hover(`prisma.$transaction((tx) => tx.wallet.${find}({ where: { userId: 1 }, lo|ck: 'forUpdate' }))`)
    expect(signature, find).toBe(
      '(property) Lockable.lock?: "forUpdate" | "forNoKeyUpdate" | "forShare" | "forKeyShare" | LockAndWait | LockOrFail | LockOrSkip | LockWithin | undefined',
    )
    expect(text, find).toMatch(/^Locks the returned rows until the transaction ends/)
    expect(text, find).toMatch(/nowait: true.*skipLocked: true.*timeout: milliseconds.*Default: no lock/s)
    expect(tags['example'], find).toMatch(/lock: 'forNoKeyUpdate'/)
    expect(tags['see'], find).toBe('https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS')
  }
})

test('hovering over the parts of a lock says what they do', { timeout: SLOW }, () => {
  const parts = { nowait: true, skipLocked: true, timeout: 100 }
  for (const [part, value] of Object.entries(parts)) {
    const { text } = hover(`prisma.wallet.findMany({ lock: { strength: 'forUpdate', ${part.slice(0, 1)}|${part.slice(1)}: ${value} } })`)
    expect(text, part).toMatch(/^[A-Z].+\.$/s)
  }
  expect(hover("prisma.wallet.findMany({ lock: { stren|gth: 'forUpdate' } })").text).toMatch(/^[A-Z].+\.$/s)
})

test('hovering over an option of a transaction says what it does, its unit and its default', { timeout: SLOW }, () => {
  const options: Readonly<Record<string, string>> = {
    label: "'payout'",
    isolationLevel: "'Serializable'",
    maxWait: '1',
    timeout: '1',
    lockTimeout: '1',
    gate: "'key'",
    signal: 'AbortSignal.abort()',
    retry: 'false',
    onRetry: '() => undefined',
  }
  for (const [option, value] of Object.entries(options)) {
    const { text } = hover(`prisma.$transactionWithRetry(async () => 1, { ${option.slice(0, 1)}|${option.slice(1)}: ${value} })`)
    expect(text, option).toMatch(/^[A-Z`].*\.$/s)
    if (option !== 'signal' && option !== 'onRetry') expect(text, option).toMatch(/Default: .+/)
    if (/wait|timeout/i.test(option)) expect(text, option).toMatch(/milliseconds/)
  }
  for (const option of ['attempts', 'deadline', 'baseDelay', 'maxDelay']) {
    const { text } = hover(`prisma.$transactionWithRetry(async () => 1, { retry: { ${option.slice(0, 1)}|${option.slice(1)}: 1 } })`)
    expect(text, option).toMatch(/Default: [\d,]+/)
  }
})

test('hovering over a method shows what it guarantees, what it throws, and an example', { timeout: SLOW }, () => {
  const lock = hover('prisma.wallet.withL|ock({ where: { id: 1 } }, async () => 1)')
  expect(lock.text).toMatch(/The lock is released when/)
  const transaction = hover('prisma.$transactionWith|Retry(async () => 1)')
  expect(transaction.text).toMatch(/^Runs `fn` in a transaction whose lock waits are bounded/)
  const advisory = hover("prisma.$advisory|Lock('key')")
  expect(advisory.text).toMatch(/held until the\s+transaction ends/)
  for (const { tags } of [lock, transaction, advisory]) {
    expect(tags['example']).toMatch(/await prisma\./)
    expect(tags['throws']).toBeDefined()
  }
  const { text } = hover('prisma.$transactionWithRetry((tx) => tx.wallet.delete({ where: { id: 1 }, com|mit: true }))')
  expect(text).toMatch(/^Sends COMMIT together with this call/)
})

const STRENGTHS = '"forUpdate" | "forNoKeyUpdate" | "forShare" | "forKeyShare"'

test.for([
  ["prisma.wallet.findUnique({ where: { id: 1 }, lock: 'forUpdat' })", STRENGTHS],
  ["prisma.wallet.findMany({ lock: 'exclusive' })", STRENGTHS],
  ['prisma.wallet.findMany({ lock: true })', STRENGTHS],
  ['prisma.wallet.findMany({ lock: null })', STRENGTHS],
  ["prisma.wallet.findMany({ lock: { strength: 'update' } })", STRENGTHS],
  ["prisma.wallet.findMany({ lock: { mode: 'forUpdate', wait: 'x' } })", 'takes strength, and one of nowait, skipLocked and timeout'],
  [
    "prisma.wallet.findMany({ lock: { strength: 'forUpdate', noWait: true } })",
    'takes strength, and one of nowait, skipLocked and timeout',
  ],
  ['prisma.wallet.findMany({ lock: { nowait: true } })', "Property 'strength' is missing"],
  ["prisma.wallet.findMany({ lock: { strength: 'forUpdate', timeout: '1s' } })", "'string' is not assignable to type 'number'"],
  ["prisma.wallet.findMany({ distinct: ['id'], lock: 'forUpdate' })", 'distinct cannot be combined with lock: PostgreSQL cannot lock'],
  ["prisma.wallet.aggregate({ _sum: { balance: true }, lock: 'forUpdate' })", "'lock' does not exist in type 'WalletAggregateArgs<"],
  ["prisma.wallet.update({ where: { id: 1 }, data: {}, lock: 'forUpdate' })", "'lock' does not exist in type 'WalletUpdateArgs<"],
  ["prisma.wallet.findMany({ include: { entries: { lock: 'forUpdate' } } })", "'lock' does not exist in type 'Wallet$entriesArgs<"],
  ['prisma.wallet.findUnique({})', "Property 'where' is missing"],
  ['prisma.$transactionWithRetry(async () => 1, { retries: 3 })', "'retries' does not exist in type 'TransactionOptions'"],
  ['prisma.$transactionWithRetry(async () => 1, { retry: { attempt: 3 } })', "Did you mean to write 'attempts'?"],
  ["prisma.$transactionWithRetry(async () => 1, { isolationLevel: 'SERIALIZABLE' })", `Did you mean '"Serializable"'?`],
  ['prisma.$transactionWithRetry(async () => 1, { gate: true })', "'true' is not assignable to type 'Gate | undefined'"],
  ['prisma.wallet.withLock({ where: { id: 1 } }, async () => 1, { attempts: 3 })', "'attempts' does not exist in type 'WithLockOptions'"],
] as const)('%s is answered with a sentence', { timeout: SLOW }, ([code, sentence]) => {
  const answer = errors(code)
  expect(answer).toContain(sentence)
  expect(answer.length, answer).toBeLessThanOrEqual(300)
  expect(answer.split('\n').length, answer).toBeLessThanOrEqual(3)
})

// TypeScript spells out what Prisma's types are made of, up to 320 characters of each: what is wrong stands before that.
test.for([
  ["prisma.wallet.count({ lock: 'forUpdate' })", /^.{0,80}'lock' does not exist/, 450],
  ['prisma.wallet.create({ data: { userId: 1 }, commit: true })', /^.{0,80}'commit' does not exist in type 'WalletCreateArgs</, 350],
  ["prisma.wallet.findMany({ lockk: 'forUpdate' })", /^.{0,80}'lockk' does not exist .* Did you mean to write 'lock'\?/, 450],
  ["prisma.wallet.findUnique({ lock: 'forUpdate' })", /Property 'where' is missing/, 600],
  // Two signatures, each with its reason: Prisma's own, and the one with `commit`.
  ['prisma.$transactionWithRetry((tx) => tx.wallet.create({ data: { userId: 1, x: 1 } }))', /'x' does not exist/, 1_100],
] as const)('%s is answered with what is wrong with it', { timeout: SLOW }, ([code, reason, length]) => {
  const answer = errors(code)
  expect(answer).toMatch(reason)
  expect(answer.length, answer).toBeLessThanOrEqual(length)
})

test('what is right is not answered', { timeout: SLOW }, () => {
  expect(errors("prisma.wallet.findMany({ lock: 'forUpdate' })")).toBe('')
  expect(errors("prisma.wallet.findMany({ lock: { strength: 'forUpdate', nowait: true } })")).toBe('')
})

function completions(code: string): string[] {
  const entries = service.getCompletionsAtPosition(file, write(code), {})?.entries ?? []
  return entries.map(({ name }) => name).sort()
}

interface Hover {
  readonly signature: string
  readonly text: string
  /** By name; of several of one name the last. */
  readonly tags: Readonly<Record<string, string>>
}

function hover(code: string): Hover {
  const info = service.getQuickInfoAtPosition(file, write(code))
  return {
    signature: ts.displayPartsToString(info?.displayParts),
    text: ts.displayPartsToString(info?.documentation),
    tags: Object.fromEntries(info?.tags?.map(({ name, text }) => [name, ts.displayPartsToString(text)]) ?? []),
  }
}

function errors(code: string): string {
  write(code)
  return service
    .getSemanticDiagnostics(file)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
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
