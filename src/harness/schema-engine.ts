import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

import type { PrismaPg } from '@prisma/adapter-pg'
import type { SchemaEngine, SchemaFilter } from '@prisma/schema-engine-wasm'

import { escapeOption, parseDatabaseUrl } from './database-url.js'
import { loadAdapter } from './load-drivers.js'

/** Everything in the database belongs to the Prisma schema. */
export const NO_FILTERS: SchemaFilter = { externalTables: [], externalEnums: [] }

/**
 * Runs `work` with Prisma's schema engine, from its WebAssembly package: the same code as the native
 * engine, which Prisma downloads from a server of its own and which therefore is not always to be
 * had. It talks to PostgreSQL through `@prisma/adapter-pg`.
 */
export async function withSchemaEngine<T>(url: string, work: (engine: SchemaEngine) => Promise<T>): Promise<T> {
  const { bindMigrationAwareSqlAdapterFactory } = await import('@prisma/driver-adapter-utils')
  const { SchemaEngine } = await loadEngine()
  const { factory, closeAll } = await createAdapterFactory(url)
  try {
    const adapter = bindMigrationAwareSqlAdapterFactory(factory)
    const engine = await SchemaEngine.new({ datamodels: undefined }, () => {}, adapter)
    return await work(engine)
  } catch (error) {
    // A panic shows as `unreachable` otherwise; and what panicked once is not to be used again.
    if (panic === undefined) throw error
    loaded = undefined
    throw new Error(panic, { cause: error })
  } finally {
    panic = undefined
    // The engine leaves its connections to the garbage collector; a session that lives on keeps
    // PostgreSQL from copying the database.
    await closeAll()
  }
}

/** `PrismaPg`, mended for the schema engine, and with a way to close. */
async function createAdapterFactory(url: string) {
  const { PrismaPg } = await loadAdapter('Migrations cannot be applied')
  const opened: PgAdapter[] = []
  // One connection: a script's SET must hold for the statements after it.
  const schema = new URL(url).searchParams.get('schema') ?? 'public'
  const pool = { connectionString: parseDatabaseUrl(url, 'url').href, max: 1 }
  // What `?schema=` means to the native engine: where unqualified names in a migration belong.
  const searchPath = { options: `-c search_path=${escapeOption(`"${schema}"`)}` }
  const factory = new PrismaPg(schema === 'public' ? pool : { ...pool, ...searchPath }, { schema })
  const mend = (adapter: PgAdapter) => {
    opened.push(adapter)
    closeOnce(adapter)
    sendScriptsWhole(adapter)
    readCatalogLetters(adapter)
    return adapter
  }
  const connect = factory.connect.bind(factory)
  const connectToShadowDb = factory.connectToShadowDb.bind(factory)
  factory.connect = async () => mend(await connect())
  factory.connectToShadowDb = async () => mend(await connectToShadowDb())
  // Last opened, first closed: the shadow database is dropped through an earlier connection.
  const closeAll = async () => {
    for (const adapter of opened.reverse()) await adapter.dispose()
  }
  return { factory, closeAll }
}

type PgAdapter = Awaited<ReturnType<PrismaPg['connect']>>

function closeOnce(adapter: PgAdapter): void {
  const dispose = adapter.dispose.bind(adapter)
  let disposed: Promise<void> | undefined
  adapter.dispose = () => (disposed ??= dispose())
}

/**
 * adapter-pg 7.10 cuts a script at every semicolon, also inside a comment, a string or a function's
 * body. PostgreSQL takes a script whole, and then also undoes all of it when one statement fails.
 */
function sendScriptsWhole(adapter: PgAdapter): void {
  adapter.executeScript = async (script) => {
    try {
      await adapter.executeRaw({ sql: script, args: [], argTypes: [] })
    } catch (error) {
      throw inPostgresWords(error)
    }
  }
}

/**
 * The engine sorts errors by SQLSTATE and then says "No such table" where PostgreSQL says which one and
 * where; without the code it passes PostgreSQL's words on.
 */
function inPostgresWords(error: unknown): unknown {
  const { cause } = error as { cause?: { originalCode?: string; originalMessage?: string } }
  if (cause?.originalCode !== undefined) {
    const message = `${cause.originalMessage} (SQLSTATE ${cause.originalCode})`
    Object.assign(cause, { kind: 'postgres', code: '', severity: 'ERROR', message })
  }
  return error
}

/**
 * The catalogs keep single letters in columns of the type "char", which the engine must read to
 * compare a database with a schema, and which adapter-pg 7.10 refuses to read. The engine asks one
 * question at a time, so the latest result is the one in hand.
 */
function readCatalogLetters(adapter: PgAdapter): void {
  let letters: number[] = []
  const pool = adapter.underlyingDriver()
  const query = pool.query.bind(pool) as (...args: unknown[]) => Promise<{ fields?: { dataTypeID: number }[] }>
  const queryRaw = adapter.queryRaw.bind(adapter)
  pool.query = (async (...args: unknown[]) => {
    const result = await query(...args)
    const fields = result.fields ?? []
    letters = [...fields.keys()].filter((index) => fields[index]?.dataTypeID === CHAR)
    for (const index of letters) fields[index]!.dataTypeID = TEXT
    return result
  }) as typeof pool.query
  adapter.queryRaw = async (statement) => {
    const result = await queryRaw(statement)
    const columnTypes = result.columnTypes.map((type, index) => (letters.includes(index) ? CHARACTER : type))
    return { ...result, columnTypes }
  }
}

// pg_type.oid
const CHAR = 18
const TEXT = 25

// ColumnTypeEnum.Character of Prisma's driver adapters.
const CHARACTER = 6

type EngineModule = typeof import('@prisma/schema-engine-wasm')
type EngineGlue = EngineModule & { __wbg_set_wasm(exports: unknown): void }

// Node has had WebAssembly for ever; TypeScript knows it only together with the browser's types.
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: {
    instantiate(bytes: Uint8Array, imports: unknown): Promise<{ instance: { exports: { __wbindgen_start(): void } } }>
  }
}

let loaded: Promise<EngineModule> | undefined
let panic: string | undefined

/** Instantiated once: the module keeps its WebAssembly instance in a variable of its own. */
function loadEngine(): Promise<EngineModule> {
  loaded ??= instantiate()
  return loaded
}

/** By hand: the package's entry imports `.wasm`, which Node does only behind a flag. */
async function instantiate(): Promise<EngineModule> {
  const path = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg')
  const glue = (await import(pathToFileURL(path).href)) as EngineGlue
  const bytes = await readFile(join(dirname(path), 'schema_engine_bg.wasm'))
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': withoutLingeringTimers(glue) })
  // Prisma's modules say there why they give up; without it, giving up ends in a TypeError. Prisma
  // Client sets it too, and then its own must stay.
  const shared = globalThis as { PRISMA_WASM_PANIC_REGISTRY?: { set_message(message: string): void } }
  shared.PRISMA_WASM_PANIC_REGISTRY ??= { set_message: (message) => (panic = message) }
  glue.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start()
  return glue
}

/**
 * The engine bounds each wait by a timer of 10 s that it never clears; the process would live as long. A
 * call into the glue is synchronous, so the replacement is seen by nobody else.
 */
function withoutLingeringTimers(glue: object): object {
  const unreferenced =
    (call: (...args: unknown[]) => unknown) =>
    (...args: unknown[]) => {
      const real = globalThis.setTimeout
      globalThis.setTimeout = ((...timer: Parameters<typeof setTimeout>) => real(...timer).unref()) as typeof setTimeout
      try {
        return call(...args)
      } finally {
        globalThis.setTimeout = real
      }
    }
  return Object.fromEntries(
    Object.entries(glue).map(([name, value]: [string, unknown]) => [
      name,
      name.startsWith('__wbg_setTimeout') ? unreferenced(value as (...args: unknown[]) => unknown) : value,
    ]),
  )
}
