import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

import type { SqlDriverAdapter } from '@prisma/driver-adapter-utils'
import type { SchemaEngine, SchemaFilter } from '@prisma/schema-engine-wasm'

import { DatabaseUnavailableError } from './database-error.js'

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
    return await work(engine).finally(() => engine.free())
  } finally {
    // The engine leaves its connections to the garbage collector; a session that lives on keeps
    // PostgreSQL from copying the database.
    await closeAll()
  }
}

/** `PrismaPg`, with scripts executed as the native engine executes them, and with a way to close. */
async function createAdapterFactory(url: string) {
  const { PrismaPg } = await loadAdapter()
  const opened: { dispose(): Promise<void> }[] = []
  // One connection: a script's SET must hold for the statements after it.
  const factory = new PrismaPg({ connectionString: url, max: 1 })
  const connect = factory.connect.bind(factory)
  const connectToShadowDb = factory.connectToShadowDb.bind(factory)
  factory.connect = async () => sendScriptsWhole(keep(await connect()))
  factory.connectToShadowDb = async () => sendScriptsWhole(keep(await connectToShadowDb()))
  // Last opened, first closed: the shadow database is dropped through an earlier connection.
  const closeAll = async () => {
    for (const adapter of opened.reverse()) await adapter.dispose()
  }
  return { factory, closeAll }

  function keep<A extends { dispose(): Promise<void> }>(adapter: A): A {
    const dispose = adapter.dispose.bind(adapter)
    let disposed: Promise<void> | undefined
    adapter.dispose = () => (disposed ??= dispose())
    opened.push(adapter)
    return adapter
  }
}

/**
 * adapter-pg 7.10 cuts a script at every semicolon, also inside a comment, a string or a function's
 * body. PostgreSQL takes a script whole, and then also undoes all of it when one statement fails.
 */
function sendScriptsWhole<A extends SqlDriverAdapter>(adapter: A): A {
  adapter.executeScript = async (script) => {
    await adapter.executeRaw({ sql: script, args: [], argTypes: [] })
  }
  return adapter
}

type EngineModule = typeof import('@prisma/schema-engine-wasm')
type EngineGlue = EngineModule & { __wbg_set_wasm(exports: unknown): void }

// Node has had WebAssembly for ever; TypeScript knows it only together with the browser's types.
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: {
    instantiate(bytes: Uint8Array, imports: unknown): Promise<{ instance: { exports: { __wbindgen_start(): void } } }>
  }
}

let loaded: Promise<EngineModule> | undefined

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
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': glue })
  glue.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start()
  return glue
}

async function loadAdapter() {
  try {
    return await import('@prisma/adapter-pg')
  } catch (cause) {
    throw new DatabaseUnavailableError(
      'Migrations cannot be applied: @prisma/adapter-pg is not installed. Run: npm install @prisma/adapter-pg',
      { cause },
    )
  }
}
